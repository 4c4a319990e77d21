// What is kept of declared traits, by anchor, in shared arrays that one process writes and query workers read.
// By anchor, so that a merge, an undo or a split moves nothing: a reader takes the newest over the anchors
// of a profile, as it adds up their events.
//
//   trait_heads   u32    [anchor] -> its first cell; 0: it has none
//   trait_cells   32 B   [cell]   -> TraitCell; 0 is never given
//   trait_texts   16 B   [unit]   -> values longer than a cell holds; 0 is never given
//
// - Cells of an anchor are a list that only grows at its front, until the anchor is forgotten. A cell is
//   never given to another anchor, so a reader on the list never leaves the anchor.
// - A cell changes in place, and the space of its old text may be used again at once: a reader copies the text,
//   and copies again when the moment has changed meanwhile. Moments never come again: values only get newer.
// - Each array publishes its count before anything leads to an element.
#pragma once
#include <cstdint>
#include <cstring>

#include "segment_format.h"

namespace tributary {

constexpr char kTraitHeads[] = "trait_heads";
constexpr char kTraitCells[] = "trait_cells";
constexpr char kTraitTexts[] = "trait_texts";

constexpr uint32_t kTraitInlineBytes = 8;
constexpr uint32_t kTraitUnitBytes = 16;
// Of the key a cell is about; 0: of none, any more.
constexpr uint32_t kTraitSlotBits = 8;
constexpr uint64_t kTraitSlotMask = (1u << kTraitSlotBits) - 1;
// In place of a sequence: the cell is being changed.
constexpr uint64_t kTraitChanging = (uint64_t{1} << (64 - kTraitSlotBits)) - 1;

struct TraitCell {
  uint32_t next;        // of the same anchor; 0: it is the last
  uint32_t length;      // bytes of the value, as JSON
  uint64_t moment;      // sequence of the event above the slot
  int64_t micros;       // time of the event
  union {
    char text[kTraitInlineBytes];
    uint64_t unit;      // where a longer text begins
  };
};
static_assert(sizeof(TraitCell) == 32, "part of the layout");

inline uint32_t SlotOf(uint64_t moment) { return static_cast<uint32_t>(moment & kTraitSlotMask); }
inline uint64_t SequenceOf(uint64_t moment) { return moment >> kTraitSlotBits; }
inline uint64_t MomentOf(uint64_t sequence, uint32_t slot) {
  return sequence << kTraitSlotBits | slot;
}

}  // namespace tributary
