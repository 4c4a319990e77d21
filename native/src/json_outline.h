// Checks that tokens make JSON, and finds the closing bracket of each opening one.
//
// simdjson's first stage finds the tokens, and that the text is UTF-8 with closed strings and without
// control characters in them. Its second stage would check the rest and build a document: each string
// unescaped, each number converted, though an event keeps most of its text as it is. This does the
// checking alone, at a third of the time.
//
// It is sure of what nearly all payloads consist of, and says kUnsure of numbers with many digits and
// large exponents, and of anything else it does not like. Then simdjson is asked (event_decoder.cc): so
// there is one verdict on every text, and one reason when it is bad.
#pragma once
#include <cstdint>

#include "growing_array.h"

namespace tributary {

// What a caller knows of the scalars of a text.
enum class Scalars { kUnchecked, kValid };

class JsonOutline {
 public:
  // `tokens` are the offsets of `count` tokens in `text` and three more, as simdjson's first stage leaves
  // them. `depth_max` is simdjson's: an object or array that holds values counts. False when unsure, or
  // when the text is no object.
  bool Read(const char* text, const uint32_t* tokens, uint32_t count, uint32_t depth_max,
            Scalars scalars);
  // As PayloadWalker wants them.
  const uint32_t* partners() const { return partners_.data(); }

 private:
  GrowingArray<uint32_t> partners_;
};

// Whether every backslash in the text begins an escape of JSON. Half surrogate pairs count as escapes.
bool HasValidEscapes(const char* text, uint32_t length);

}  // namespace tributary
