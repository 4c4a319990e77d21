// From non-zero 64-bit hashes to 32-bit fingerprints, growing in small steps: linear hashing (Litwin, 1980) over
// groups of slots, each of which is a small table of open addressing.
//
// The groups lie one behind another, and are split in turn: half of what is in the oldest one that was not
// split in this round goes to a new group at the end. A group is split for every kGroupFill hashes that are added,
// so no addition takes longer than moving one group, 20 µs, however many hashes there are; groups wait for their
// turn at 0.4 to 0.8 of their slots, and are half as full after it.
//
// Fingerprints lie apart in a group, because they are read only when a hash is found.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "growing_memory.h"
#include "state_part.h"

namespace tributary {

class FingerprintMap {
 public:
  void Prefetch(uint64_t hash) const {
    if (count_ > 0) __builtin_prefetch(HashesFor(hash) + SlotOf(hash));
  }
  // For a hash that will be added.
  void PrefetchForAdding(uint64_t hash) const {
    if (count_ == 0) return;
    uint64_t* hashes = HashesFor(hash);
    __builtin_prefetch(hashes + SlotOf(hash), 1);
    __builtin_prefetch(FingerprintsOf(hashes) + SlotOf(hash), 1);
  }
  const uint32_t* Find(uint64_t hash) const {
    if (count_ == 0) return nullptr;
    const uint64_t* hashes = HashesFor(hash);
    uint64_t slot = SlotOf(hash);
    for (uint64_t probes = 0; probes < kGroupSlots; probes++, slot = SlotOf(slot + 1)) {
      if (hashes[slot] == hash) return FingerprintsOf(hashes) + slot;
      if (hashes[slot] == 0) break;
    }
    return nullptr;
  }
  // For a hash that is not there.
  void Add(uint64_t hash, uint32_t fingerprint) {
    if (count_ >= groups_ * kGroupFill) Split();
    // A group that is full before its turn, which hashes that are spread evenly never do, waits for its turn.
    while (!Place(hash, fingerprint)) Split();
    count_++;
  }
  void Clear() {
    memory_.Clear();
    groups_ = round_ = count_ = 0;
  }
  uint64_t bytes() const { return groups_ * kGroupBytes; }

  uint64_t groups() const { return groups_; }
  uint64_t count() const { return count_; }
  // The groups as they stand, for a checkpoint: copied into a map of as many they are the same map.
  StatePart part() const { return {memory_.data(), bytes()}; }
  // Empty groups, whose content follows. False for what no map can have.
  bool Restore(uint64_t groups, uint64_t count) {
    if (groups > kGroupsMax || count > groups * kGroupFill) return false;
    Clear();
    memory_.GrowTo(groups * kGroupBytes);
    groups_ = groups;
    count_ = count;
    round_ = groups == 0 ? 0 : uint64_t{1} << (63 - __builtin_clzll(groups));
    return true;
  }

 private:
  static constexpr uint64_t kGroupSlotsBits = 12;
  static constexpr uint64_t kGroupSlots = 1 << kGroupSlotsBits;
  static constexpr uint64_t kGroupBytes = kGroupSlots * (sizeof(uint64_t) + sizeof(uint32_t));
  // Hashes for each group there is.
  static constexpr uint64_t kGroupFill = kGroupSlots * 2 / 5;
  // 64 GiB, 2 billion hashes: a range of addresses, of which a process has two thousand times as much.
  static constexpr uint64_t kGroupsMax = (uint64_t{64} << 30) / kGroupBytes;

  // The low bits of a hash say its slot, those above its group.
  static uint64_t SlotOf(uint64_t hash) { return hash & (kGroupSlots - 1); }
  uint64_t* HashesFor(uint64_t hash) const {
    uint64_t bits = hash >> kGroupSlotsBits;
    uint64_t group = bits & (2 * round_ - 1);
    if (group >= groups_) group -= round_;  // its turn has not come in this round
    return HashesAt(group);
  }
  uint64_t* HashesAt(uint64_t group) const {
    return reinterpret_cast<uint64_t*>(memory_.data() + group * kGroupBytes);
  }
  static uint32_t* FingerprintsOf(uint64_t* hashes) {
    return reinterpret_cast<uint32_t*>(hashes + kGroupSlots);
  }
  static const uint32_t* FingerprintsOf(const uint64_t* hashes) {
    return reinterpret_cast<const uint32_t*>(hashes + kGroupSlots);
  }

  // False when its group is full.
  bool Place(uint64_t hash, uint32_t fingerprint) {
    uint64_t* hashes = HashesFor(hash);
    uint64_t slot = SlotOf(hash);
    for (uint64_t probes = 0; probes < kGroupSlots; probes++, slot = SlotOf(slot + 1)) {
      if (hashes[slot] != 0) continue;
      hashes[slot] = hash;
      FingerprintsOf(hashes)[slot] = fingerprint;
      return true;
    }
    return false;
  }

  // Adds a group, with half of what is in the one whose turn it is; the first one is empty.
  void Split() {
    memory_.GrowTo((groups_ + 1) * kGroupBytes);
    if (groups_ == 0) {
      groups_ = round_ = 1;
      return;
    }
    uint64_t* source = HashesAt(groups_ - round_);
    groups_++;
    if (groups_ == 2 * round_) round_ = groups_;
    alignas(64) uint64_t hashes[kGroupSlots];
    uint32_t fingerprints[kGroupSlots];
    memcpy(hashes, source, sizeof(hashes));
    memcpy(fingerprints, FingerprintsOf(source), sizeof(fingerprints));
    memset(source, 0, kGroupBytes);
    for (uint64_t slot = 0; slot < kGroupSlots; slot++) {
      if (hashes[slot] != 0) Place(hashes[slot], fingerprints[slot]);
    }
  }

  GrowingMemory memory_{kGroupsMax * kGroupBytes};
  uint64_t groups_ = 0;
  uint64_t round_ = 0;  // groups when the round began, a power of two
  uint64_t count_ = 0;
};

}  // namespace tributary
