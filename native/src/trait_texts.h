// The writer's side of trait_texts: space for values that a cell has no room for, given in sizes of which there
// are two for each power of two, and given again once it is free.
//
// - Freed space is zeroed but for the link to the next free one: nothing of a value outlives it.
#pragma once
#include <string>

#include "array_file.h"
#include "trait_format.h"

namespace tributary {

class TraitTexts {
 public:
  // Returns "" or the reason.
  std::string Create(const std::string& path, uint64_t units_max);
  // The first unit of space for `bytes`; 0 when there is none, and *failure says why.
  uint32_t Allocate(uint32_t bytes, std::string* failure);
  void Free(uint32_t unit, uint32_t bytes);
  // Whether values of the two lengths take the same space.
  static bool IsSameSize(uint32_t a, uint32_t b) { return SizeOf(a).units == SizeOf(b).units; }
  char* At(uint64_t unit) const { return file_.data<char>() + unit * kTraitUnitBytes; }
  void Close() { file_.Close(); }
  uint64_t backed_bytes() const { return file_.backed_bytes(); }

 private:
  struct Size {
    uint32_t number;
    uint32_t units;
  };
  static Size SizeOf(uint32_t bytes);

  ArrayFile file_;
  uint64_t end_ = 1;
  uint32_t free_[64] = {};  // by number of the size; 0: none
};

}  // namespace tributary
