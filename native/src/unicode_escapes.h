// Half surrogate pairs in JSON: "\ud83d" without "\ude00" behind it, which is what JSON.stringify writes
// for text that was cut in the middle of an emoji. RFC 8259's grammar allows them, but they stand for no
// character and have no UTF-8. simdjson refuses some and writes bytes that are not UTF-8 for the others.
//
// They are replaced by U+FFFD, as every decoder of UTF-16 does. An escape is as long as its
// replacement, so no offset into the text changes.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tracking_event.h"

namespace tributary {

// The copy of a text in which half surrogate pairs are replaced, and where they were. Rare: a text
// without any costs one search for a backslash.
class SurrogateRepair {
 public:
  void Clear() { offsets_.clear(); }
  // Whether there was something to replace in the `length` bytes of `json`, which need not be valid.
  bool Repair(const char* json, uint32_t length);
  // The repaired copy, with SIMDJSON_PADDING bytes behind it, until the next Repair.
  const char* text() const { return text_.data(); }
  bool empty() const { return offsets_.empty(); }
  // Whether something was replaced in `part`, a slice of text().
  bool Touches(const Slice& part) const;

 private:
  std::string text_;
  std::vector<uint32_t> offsets_;  // ascending
};

}  // namespace tributary
