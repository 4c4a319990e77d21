// Where nodes are found: from 28 bits of a hash to nodes, in 7 bytes a slot, at most 15/16 full.
//
// The slots are one array with gaps, in the order of the tags: an entry wants to lie at
// tag / 2^28 of the array, its home, and lies there or in the first place behind. So it can grow in
// place and in small steps, by 1/32: what lies last moves to the homes it has in the longer array
// first, and each addition moves a few more. No addition waits for all of them, memory never doubles, and
// no second table is there meanwhile.
//
// - From its home to where an entry lies there is no free slot, and tags ascend: a search ends at the
//   first free slot or higher tag.
// - Tags whose home in the shorter array lies at `boundary_` or behind have their home in the longer one.
// - Equal tags are told apart by whoever asks: they know the values. Of 50 million nodes one in five has
//   another of its tag in front of it.
// - A slot is 56 bits, low byte first, at any address: the node, and above it the tag. 0 is free.
// - Address space for the most nodes is reserved once; usable is what is used (growing_memory.h).
//
// Reference: linear probing that keeps order, Amble and Knuth, "Ordered hash tables", 1974.
#pragma once
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "growing_memory.h"
#include "prefetch.h"

namespace tributary {

class NodeTable {
 public:
  // Returns "" or the reason.
  std::string Open(uint64_t nodes_max);
  void Close();
  // Empty, with room for `nodes` before it grows.
  void Clear(uint64_t nodes);

  // Tags are below 2^28, and so are nodes.
  static constexpr uint32_t kTagBits = 28;

  // The line of the home: fetching the one behind it as well, where half of the entries lie, gave nothing.
  void Prefetch(uint32_t tag) const { PrefetchLine(slots_ + HomeOf(tag) * kSlotBytes); }
  // Calls visit(node) for each node of that tag.
  template <typename Visit>
  void EachOf(uint32_t tag, Visit visit) const {
    Find(tag, [&](uint32_t node) {
      visit(node);
      return false;
    });
  }
  // The node of that tag for which is_same(node) holds; 0 without one.
  template <typename IsSame>
  uint32_t Find(uint32_t tag, IsSame is_same) const {
    for (uint64_t slot = HomeOf(tag);; slot++) {
      uint64_t entry = EntryAt(slot);
      uint64_t found = entry >> kNodeBits;
      if (entry == 0 || found > tag) return 0;
      uint32_t node = static_cast<uint32_t>(entry & kNodeMask);
      if (found == tag && is_same(node)) return node;
    }
  }
  // Adds a node that is not there; at most the most that were said.
  void Add(uint32_t tag, uint32_t node);

  uint64_t bytes() const;

 private:
  static constexpr uint32_t kNodeBits = 28;
  static constexpr uint64_t kNodeMask = (uint64_t{1} << kNodeBits) - 1;
  static constexpr uint64_t kSlotBytes = 7;
  static constexpr uint64_t kSlotMask = (uint64_t{1} << 8 * kSlotBytes) - 1;

  // Reads a byte more than the slot has, which is there (BytesOf).
  uint64_t EntryAt(uint64_t slot) const {
    uint64_t entry;
    memcpy(&entry, slots_ + slot * kSlotBytes, sizeof(entry));
    return entry & kSlotMask;
  }
  void SetEntry(uint64_t slot, uint64_t entry) {
    memcpy(slots_ + slot * kSlotBytes, &entry, kSlotBytes);
  }
  static uint64_t BytesOf(uint64_t slots) { return slots * kSlotBytes + 1; }
  static uint64_t Scale(uint32_t tag, uint64_t slots) { return tag * slots >> kTagBits; }
  uint64_t HomeOf(uint32_t tag) const {
    uint64_t home = Scale(tag, former_slots_);
    return home < boundary_ ? home : Scale(tag, slot_count_);
  }
  void Place(uint64_t entry);
  void BeginGrowing();
  void MoveBoundary(uint64_t slots);
  void UseSlots(uint64_t slots);

  std::optional<GrowingMemory> memory_;
  uint8_t* slots_ = nullptr;  // its start
  uint64_t reserved_slots_ = 0;
  uint64_t slot_count_ = 0;    // homes; entries may lie up to kOverhang slots behind the last
  uint64_t former_slots_ = 0;  // homes of the shorter array while it grows
  uint64_t boundary_ = 0;      // 0: all entries are where they belong
  uint64_t count_ = 0;
  std::vector<uint64_t> moving_;
};

}  // namespace tributary
