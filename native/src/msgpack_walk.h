// What of a payload the event decoder walks, and so what its outline has within: the root, its batch, the events,
// and what they inherit from their batch.
#pragma once
#include <cstdint>
#include <cstring>

#include "slice.h"

namespace tributary {

inline bool IsInherited(const Slice& key) {
  return (key.length == 7 && memcmp(key.data, "context", 7) == 0) ||
         (key.length == 12 && memcmp(key.data, "integrations", 12) == 0);
}

inline bool IsBatch(const Slice& key) {
  return key.length == 5 && memcmp(key.data, "batch", 5) == 0;
}

// Where events are in a batch.
constexpr uint32_t kEventDepth = 2;

// The bracket that opens what the event decoder walks at this depth: the root, its batch, an event, and
// the objects that events inherit from their batch and, where it has any, merge with it. 0 for none.
inline char WalkedAt(uint32_t depth, bool is_inherited, bool has_inheritance) {
  switch (depth) {
    case 0:
    case 2:
      return '{';
    case 1:
      return is_inherited ? '{' : '[';
    case 3:
      return is_inherited && has_inheritance ? '{' : 0;
    default:
      return 0;
  }
}

}  // namespace tributary
