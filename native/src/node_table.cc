#include "node_table.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tributary {

namespace {

constexpr uint64_t kSlotsMin = 1 << 16;
// At 15/16 full an entry lies 8 slots behind its home on average, one in 60 million about 140.
constexpr uint64_t kOverhang = 1 << 12;
// The array grows by one slot in so many.
constexpr uint64_t kSlotsPerNewSlot = 32;
// An addition moves so many slots: all are moved by half of the additions that fill the new ones.
constexpr uint64_t kSlotsMovedPerAddition = 2 * kSlotsPerNewSlot * 16 / 15;

bool IsTooFull(uint64_t nodes, uint64_t slots) { return nodes * 16 > slots * 15; }

}  // namespace

std::string NodeTable::Open(uint64_t nodes_max) {
  uint64_t slots = std::max(kSlotsMin, nodes_max * 16 / 15 + 1);
  reserved_slots_ = slots + slots / kSlotsPerNewSlot + kSlotsMin + kOverhang;
  memory_.emplace(BytesOf(reserved_slots_));
  if (!memory_->Reserve()) return std::string("mmap: ") + strerror(errno);
  slots_ = reinterpret_cast<uint8_t*>(memory_->data());
  UseSlots(kSlotsMin);
  return "";
}

void NodeTable::Close() {
  memory_.reset();
  slots_ = nullptr;
}

void NodeTable::Clear(uint64_t nodes) {
  memset(slots_, 0, BytesOf(slot_count_ + kOverhang));
  count_ = boundary_ = former_slots_ = 0;
  uint64_t slots = slot_count_;
  while (IsTooFull(nodes + 1, slots)) slots += slots / kSlotsPerNewSlot;
  UseSlots(slots);
}

uint64_t NodeTable::bytes() const { return BytesOf(slot_count_ + kOverhang); }

void NodeTable::Add(uint32_t tag, uint32_t node) {
  if (IsTooFull(count_ + 1, slot_count_)) {
    while (boundary_ > 0) MoveBoundary(slot_count_);
    BeginGrowing();
  }
  if (boundary_ > 0) MoveBoundary(kSlotsMovedPerAddition);
  Place(uint64_t{tag} << kNodeBits | node);
  count_++;
}

// Puts an entry behind those of lower or equal tags, and moves what stands there up by one.
void NodeTable::Place(uint64_t entry) {
  uint64_t tag = entry >> kNodeBits;
  uint64_t slot = HomeOf(static_cast<uint32_t>(tag));
  for (uint64_t other = EntryAt(slot); other != 0 && other >> kNodeBits <= tag;) {
    other = EntryAt(++slot);
  }
  uint64_t free_slot = slot;
  while (EntryAt(free_slot) != 0) free_slot++;
  if (free_slot + 1 >= slot_count_ + kOverhang) abort();  // the last slot ends every search
  uint8_t* place = slots_ + slot * kSlotBytes;
  memmove(place + kSlotBytes, place, (free_slot - slot) * kSlotBytes);
  SetEntry(slot, entry);
}

void NodeTable::BeginGrowing() {
  former_slots_ = boundary_ = slot_count_;
  UseSlots(slot_count_ + std::max(slot_count_ / kSlotsPerNewSlot, kSlotsMin));
}

// Moves the entries behind a new boundary, about `slots` lower, to their homes in the longer array.
void NodeTable::MoveBoundary(uint64_t slots) {
  uint64_t lower = boundary_ > slots ? boundary_ - slots : 0;
  // In front of a run: so no entry of a lower home lies behind the boundary.
  while (lower > 0 && EntryAt(lower - 1) != 0) lower--;
  moving_.clear();
  // To the end of the run at the old boundary: entries there may have been pushed on by others.
  for (uint64_t slot = lower; slot < boundary_ || EntryAt(slot) != 0; slot++) {
    uint64_t entry = EntryAt(slot);
    if (entry == 0) continue;
    moving_.push_back(entry);
    SetEntry(slot, 0);
  }
  boundary_ = lower;
  for (uint64_t entry : moving_) Place(entry);
}

void NodeTable::UseSlots(uint64_t slots) {
  if (slots + kOverhang > reserved_slots_) abort();  // more nodes than were said
  memory_->GrowTo(BytesOf(slots + kOverhang));
  slot_count_ = slots;
}

}  // namespace tributary
