// The tokens of a text that is being written as JSON: what PayloadWalker needs to read events from it
// without parsing it.
//
// - Only values that somebody walks are outlined within; of another object or array the outline has the
//   brackets. So it grows with the members of events, not with what is in their properties.
//
// Offsets are bytes of the text.
#pragma once
#include <cstddef>
#include <cstdint>

#include "growing_array.h"

namespace tributary {

class PayloadOutline {
 public:
  void Begin() {
    count_ = 0;
    Reserve();
  }
  // Makes room for a member with its comma, key and colon, or for an element or the end. Called before
  // each; Close(), Member() and Key() have room by themselves.
  void Reserve() {
    tokens_.SetLength(count_);
    partners_.SetLength(count_);
    tokens_.Reserve(kTokensMax);
    partners_.Reserve(kTokensMax);
  }
  // Where the outline is, to take back a member.
  size_t Here() const { return count_; }
  void Rewind(size_t mark) { count_ = mark; }

  // A scalar, a colon, a comma, or the end of the text.
  void Put(uint32_t offset) { tokens_.data()[count_++] = offset; }
  // A member that begins at `start` with its comma, unless it is the first, and whose value is a scalar at `value`, or
  // an object up to `last` of which nobody walks the members.
  void Member(uint32_t start, bool is_first, uint32_t value, uint32_t last, bool is_object) {
    Key(start, is_first, value - 1);
    Put(value);
    if (is_object) CloseAt(count_ - 1, 0, last);
  }
  // The same up to its colon, which is at `colon`, with room for its value.
  void Key(uint32_t start, bool is_first, uint32_t colon) {
    Reserve();
    tokens_.data()[count_] = start;
    count_ += !is_first;
    Put(start + !is_first);
    Put(colon);
  }
  // The opening bracket of an object or array whose members follow. Returns what Close() takes.
  size_t Open(uint32_t offset) {
    Put(offset);
    return count_ - 1;
  }
  void Close(size_t opened, uint32_t count, uint32_t offset) {
    Reserve();
    CloseAt(opened, count, offset);
  }
  // An object or array of which nobody walks the members, from its opening to its closing bracket.
  void Whole(uint32_t first, uint32_t last) { Close(Open(first), 0, last); }

  const uint32_t* tokens() const { return tokens_.data(); }
  const uint32_t* partners() const { return partners_.data(); }

 private:
  static constexpr size_t kTokensMax = 5;  // a comma, a key, a colon, and two brackets

  void CloseAt(size_t opened, uint32_t count, uint32_t offset) {
    partners_.data()[opened] = static_cast<uint32_t>(count_);
    partners_.data()[count_] = count;
    Put(offset);
  }

  GrowingArray<uint32_t> tokens_;
  GrowingArray<uint32_t> partners_;  // of brackets; what other tokens have there nobody reads
  size_t count_ = 0;
};

}  // namespace tributary
