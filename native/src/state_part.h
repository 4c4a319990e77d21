// A run of memory that a checkpoint copies, piece by piece, out of a fold at rest and into a fresh one.
//
// JavaScript numbers the parts of an object and asks for ranges of them; a range that lies outside is
// refused, so that a wrong length in a file cannot reach beyond the memory.
#pragma once
#include <cstdint>

namespace tributary {

struct StatePart {
  char* data = nullptr;
  uint64_t bytes = 0;

  bool Holds(uint64_t offset, uint64_t length) const {
    return offset <= bytes && length <= bytes - offset;
  }
};

}  // namespace tributary
