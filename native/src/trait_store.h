// What is kept of declared traits (trait_format.h): the writer's side. For each anchor and each key that is
// kept it has the newest value of the key, by event time and then by sequence, as JSON text; null is one.
//
// - A value is found in the `traits` of visible identify events; of a name that is there twice the first.
// - Values may come in any order, and again: the newest stays. So what was said before a key was kept can be
//   put beside what is folded, and a key is complete once all of it was.
// - A key that is no longer kept leaves nothing behind, and neither does an anchor that is forgotten.
//
// Failure: when there is no room, nothing is kept any more, and `failure` says why. Whoever reads traits reads
// events then: what is kept is a copy, made for speed.
#pragma once
#include <string>
#include <vector>

#include "array_file.h"
#include "region.h"
#include "segment_rows.h"
#include "slice.h"
#include "trait_format.h"
#include "trait_texts.h"

namespace tributary {

struct TraitKey {
  std::string name;
  uint8_t slot;
  bool is_complete;
};

struct TraitCapacities {
  uint64_t anchors;
  uint64_t cells;
  uint64_t units;
};

class TraitStore {
 public:
  // Returns "" or the reason.
  std::string Create(const std::string& directory, const TraitCapacities& capacities);

  // Keeps these keys, and no others. New ones are complete when nothing was said before.
  void Keep(const std::vector<std::string>& names, bool is_complete);
  void Complete(const std::string& name);
  const std::vector<TraitKey>& keys() const { return keys_; }
  uint32_t SlotOfKey(const std::string& name) const;

  // Takes rows [row, row + count) of `events`, whose anchors are known; `sequence` is that of the first.
  // Returns false when the region holds no such segment.
  bool Fold(Region* segment, uint32_t row, uint32_t count, uint64_t sequence);
  // Keeps a value, unless there is a newer one.
  void Put(uint32_t anchor, uint32_t slot, int64_t micros, uint64_t sequence, const Slice& value);
  void Forget(uint32_t anchor);

  const std::string& failure() const { return failure_; }
  uint64_t memory_bytes() const;
  void Close();

 private:
  friend class TraitState;
  struct Columns;
  void FoldRow(const Slice& traits, uint32_t anchor, int64_t micros, uint64_t sequence);
  uint32_t SlotNamed(const Slice& name) const;
  TraitCell* FindOrAdd(uint32_t anchor, uint32_t slot);
  void Wipe(TraitCell* cell);
  uint8_t NextSlot();
  void IndexKeys();
  Slice ValueOf(const TraitCell& cell) const;
  TraitCell& CellAt(uint32_t cell) const { return cells_.data<TraitCell>()[cell]; }
  // Anchors there may be something of.
  uint64_t anchor_count() const { return anchor_count_; }

  std::vector<TraitKey> keys_;
  std::vector<const TraitKey*> by_length_[65];
  uint8_t last_slot_ = 0;
  ArrayFile heads_, cells_;
  TraitTexts texts_;
  uint64_t anchor_count_ = 0;
  uint32_t cell_count_ = 1;
  std::string unescaped_;  // the last key that had escapes
  std::string failure_;
};

}  // namespace tributary
