// From non-zero 64-bit hashes to 32-bit fingerprints, growing in small steps: linear hashing (Litwin, 1980) over
// groups of slots, each of which is a small table of open addressing.
//
// The groups lie one behind another, and are split in turn: half of what is in the oldest one that was not
// split in this round goes to a new group at the end. A group is split for every kGroupFill hashes that are added,
// so no addition takes longer than moving what is in one group, however many hashes there are. Groups wait for
// their turn while they are 3/8 to 3/4 full, and are half as full after it: a full one, on which look-ups rely
// not to come, would have 1,000 hashes more than it should, 18 standard deviations.
//
// Fingerprints lie apart in a group, because they are read only when a hash is found.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "growing_memory.h"
#include "prefetch.h"

namespace tributary {

class FingerprintMap {
 public:
  void Prefetch(uint64_t hash) const {
    if (count_ > 0) PrefetchLine(HashesFor(hash) + SlotOf(hash));
  }
  // For a hash that will be added.
  void PrefetchForAdding(uint64_t hash) const {
    if (count_ == 0) return;
    uint64_t* hashes = HashesFor(hash);
    PrefetchLine(hashes + SlotOf(hash));
    PrefetchLine(FingerprintsOf(hashes) + SlotOf(hash));
  }
  const uint32_t* Find(uint64_t hash) const {
    if (count_ == 0) return nullptr;
    uint64_t* hashes = HashesFor(hash);
    for (uint64_t slot = SlotOf(hash);; slot = SlotOf(slot + 1)) {
      if (hashes[slot] == hash) return FingerprintsOf(hashes) + slot;
      if (hashes[slot] == 0) return nullptr;
    }
  }
  // For a hash that is not there.
  void Add(uint64_t hash, uint32_t fingerprint) {
    if (count_ >= groups_ * kGroupFill) Split();
    Place(HashesFor(hash), hash, fingerprint);
    count_++;
  }
  void Clear() {
    memory_.Clear();
    groups_ = round_ = count_ = 0;
  }
  uint64_t bytes() const { return groups_ * kGroupBytes; }

  uint64_t groups() const { return groups_; }
  uint64_t count() const { return count_; }
  // A group without its free slots, for a checkpoint: a bit for each slot that is taken, then their hashes, then
  // their fingerprints. Unpacked into as many groups they are the same map, slot for slot.
  static constexpr uint64_t kGroupSlots = 1 << 12;
  static constexpr uint64_t kBitsBytes = kGroupSlots / 8;
  static constexpr uint64_t kEntryBytes = sizeof(uint64_t) + sizeof(uint32_t);
  static constexpr uint64_t kPackedBytesMax = kBitsBytes + kGroupSlots * kEntryBytes;

  // Of all groups.
  uint64_t packed_bytes() const { return groups_ * kBitsBytes + count_ * kEntryBytes; }

  // Returns how many of kPackedBytesMax bytes at `packed` are used.
  uint64_t PackGroup(uint64_t group, char* packed) const {
    const uint64_t* hashes = HashesAt(group);
    uint64_t bits[kGroupSlots / 64] = {};
    uint64_t count = 0;
    for (uint64_t slot = 0; slot < kGroupSlots; slot++) {
      uint64_t taken = hashes[slot] != 0;
      bits[slot / 64] |= taken << (slot % 64);
      count += taken;
    }
    memcpy(packed, bits, kBitsBytes);
    char* hash_at = packed + kBitsBytes;
    char* fingerprint_at = hash_at + count * sizeof(uint64_t);
    ForEachBit(bits, [&](uint64_t slot) {
      hash_at = Append(hash_at, hashes[slot]);
      fingerprint_at = Append(fingerprint_at, FingerprintsOf(hashes)[slot]);
    });
    return kBitsBytes + count * kEntryBytes;
  }

  // How long a packed group is, from its bits; 0 when no group can have them.
  static uint64_t PackedBytesOf(const char* packed) {
    uint64_t bits[kGroupSlots / 64];
    memcpy(bits, packed, kBitsBytes);
    uint64_t count = 0;
    for (uint64_t word : bits) count += static_cast<uint64_t>(__builtin_popcountll(word));
    // A look-up ends at a free slot.
    return count == kGroupSlots ? 0 : kBitsBytes + count * kEntryBytes;
  }

  // Fills a group that is empty.
  void UnpackGroup(uint64_t group, const char* packed) {
    uint64_t bits[kGroupSlots / 64];
    memcpy(bits, packed, kBitsBytes);
    uint64_t* hashes = HashesAt(group);
    const char* hash_at = packed + kBitsBytes;
    const char* fingerprint_at =
        hash_at + (PackedBytesOf(packed) - kBitsBytes) / kEntryBytes * sizeof(uint64_t);
    ForEachBit(bits, [&](uint64_t slot) {
      hash_at = Take(hash_at, &hashes[slot]);
      fingerprint_at = Take(fingerprint_at, &FingerprintsOf(hashes)[slot]);
    });
  }

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
  static_assert(kGroupSlots == 1 << kGroupSlotsBits);
  static constexpr uint64_t kGroupBytes = kGroupSlots * kEntryBytes;
  // Hashes for each group there is.
  static constexpr uint64_t kGroupFill = kGroupSlots * 3 / 8;
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

  template <typename Use>
  static void ForEachBit(const uint64_t (&bits)[kGroupSlots / 64], Use use) {
    for (uint64_t word = 0; word < kGroupSlots / 64; word++) {
      for (uint64_t rest = bits[word]; rest != 0; rest &= rest - 1) {
        use(word * 64 + static_cast<uint64_t>(__builtin_ctzll(rest)));
      }
    }
  }
  template <typename Number>
  static char* Append(char* at, Number number) {
    memcpy(at, &number, sizeof(number));
    return at + sizeof(number);
  }
  template <typename Number>
  static const char* Take(const char* at, Number* number) {
    memcpy(number, at, sizeof(*number));
    return at + sizeof(*number);
  }

  static void Place(uint64_t* hashes, uint64_t hash, uint32_t fingerprint) {
    uint64_t slot = SlotOf(hash);
    while (hashes[slot] != 0) slot = SlotOf(slot + 1);
    hashes[slot] = hash;
    FingerprintsOf(hashes)[slot] = fingerprint;
  }

  // Adds a group, with half of what is in the one whose turn it is; the first one is empty.
  void Split() {
    memory_.GrowTo((groups_ + 1) * kGroupBytes);
    if (groups_ == 0) {
      groups_ = round_ = 1;
      return;
    }
    uint64_t* groups[] = {HashesAt(groups_ - round_), HashesAt(groups_)};
    Deal(groups, round_ << kGroupSlotsBits);
    groups_++;
    if (groups_ == 2 * round_) round_ = groups_;
  }

  // Moves those with `bit` from the first group to the second, which is empty. They are taken up in the order of
  // slots, from behind a free one, and each finds a place between its home and where it was: so no copy is needed.
  static void Deal(uint64_t* const groups[2], uint64_t bit) {
    uint64_t* from = groups[0];
    uint64_t start = 0;
    while (from[start] != 0) start++;
    for (uint64_t position = 1; position < kGroupSlots; position++) {
      uint64_t slot = SlotOf(start + position);
      uint64_t hash = from[slot];
      if (hash == 0) continue;
      uint32_t fingerprint = FingerprintsOf(from)[slot];
      from[slot] = 0;
      Place(groups[(hash & bit) != 0], hash, fingerprint);
    }
  }

  GrowingMemory memory_{kGroupsMax * kGroupBytes};
  uint64_t groups_ = 0;
  uint64_t round_ = 0;  // groups when the round began, a power of two
  uint64_t count_ = 0;
};

}  // namespace tributary
