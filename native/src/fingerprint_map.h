// From non-zero 64-bit hashes to 32-bit fingerprints: open addressing, at most half full. Fingerprints
// lie apart, because they are read only when a hash is found.
#pragma once
#include <cstddef>
#include <cstdint>

#include "huge_page_vector.h"
#include "state_part.h"

namespace tributary {

class FingerprintMap {
 public:
  FingerprintMap() : hashes_(1 << 12, 0), fingerprints_(1 << 12, 0) {}
  void Prefetch(uint64_t hash) const {
    if (count_ > 0) __builtin_prefetch(&hashes_[hash & (hashes_.size() - 1)]);
  }
  // For a hash that will be added.
  void PrefetchForAdding(uint64_t hash) const {
    __builtin_prefetch(&hashes_[hash & (hashes_.size() - 1)], 1);
    __builtin_prefetch(&fingerprints_[hash & (hashes_.size() - 1)], 1);
  }
  const uint32_t* Find(uint64_t hash) const {
    if (count_ == 0) return nullptr;
    for (size_t slot = hash & (hashes_.size() - 1);; slot = (slot + 1) & (hashes_.size() - 1)) {
      if (hashes_[slot] == hash) return &fingerprints_[slot];
      if (hashes_[slot] == 0) return nullptr;
    }
  }
  void Add(uint64_t hash, uint32_t fingerprint) {
    if ((count_ + 1) * 2 > hashes_.size()) Grow();
    Place(hash, fingerprint);
    count_++;
  }
  uint64_t bytes() const { return hashes_.size() * 12; }

  uint64_t slots() const { return hashes_.size(); }
  uint64_t count() const { return count_; }
  // The tables as they stand, for a checkpoint: copied into a map of as many slots they are the same map.
  StatePart hash_part() { return {reinterpret_cast<char*>(hashes_.data()), hashes_.size() * 8}; }
  StatePart fingerprint_part() {
    return {reinterpret_cast<char*>(fingerprints_.data()), fingerprints_.size() * 4};
  }
  // Empty tables of so many slots, whose content follows. False for what no map can have.
  bool Restore(uint64_t slots, uint64_t count) {
    constexpr uint64_t kSlotsMax = uint64_t{1} << 36;
    if (slots == 0 || slots > kSlotsMax || (slots & (slots - 1)) != 0 || count * 2 > slots) return false;
    hashes_ = HugePageVector<uint64_t>(slots, 0);
    fingerprints_ = HugePageVector<uint32_t>(slots, 0);
    count_ = count;
    return true;
  }

 private:
  void Place(uint64_t hash, uint32_t fingerprint) {
    size_t slot = hash & (hashes_.size() - 1);
    while (hashes_[slot] != 0) slot = (slot + 1) & (hashes_.size() - 1);
    hashes_[slot] = hash;
    fingerprints_[slot] = fingerprint;
  }
  void Grow() {
    // Small ones grow faster: moving everything costs more than the room.
    size_t factor = hashes_.size() < (1 << 20) ? 8 : 2;
    HugePageVector<uint64_t> hashes(hashes_.size() * factor, 0);
    HugePageVector<uint32_t> fingerprints(hashes.size(), 0);
    hashes_.swap(hashes);
    fingerprints_.swap(fingerprints);
    for (size_t slot = 0; slot < hashes.size(); slot++) {
      if (hashes[slot] != 0) Place(hashes[slot], fingerprints[slot]);
    }
  }
  HugePageVector<uint64_t> hashes_;
  HugePageVector<uint32_t> fingerprints_;
  uint64_t count_ = 0;
};


}  // namespace tributary
