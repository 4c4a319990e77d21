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
    Rewind(0);
    Reserve();
  }
  // Makes room for a member with its comma, key and colon, or for an element or the end. Called before
  // each; Close() has room by itself.
  void Reserve() {
    tokens_.Reserve(kTokensMax);
    partners_.Reserve(kTokensMax);
  }
  // Where the outline is, to take back a member.
  size_t Here() const { return tokens_.length(); }
  void Rewind(size_t mark) {
    tokens_.SetLength(mark);
    partners_.SetLength(mark);
  }

  // A scalar, a colon, a comma, or the end of the text.
  void Put(uint32_t offset) { PutToken(offset, 0); }
  // A member that begins at `start` with its comma, unless it is the first, and whose scalar is at `value`.
  void ScalarMember(uint32_t start, bool is_first, uint32_t value) {
    Reserve();
    if (!is_first) Put(start++);
    Put(start);
    Put(value - 1);
    Put(value);
  }
  // The opening bracket of an object or array whose members follow. Returns what Close() takes.
  size_t Open(uint32_t offset) {
    Put(offset);
    return tokens_.length() - 1;
  }
  void Close(size_t opened, uint32_t count, uint32_t offset) {
    Reserve();
    partners_.data()[opened] = static_cast<uint32_t>(tokens_.length());
    PutToken(offset, count);
  }
  // An object or array of which nobody walks the members, from its opening to its closing bracket.
  void Whole(uint32_t first, uint32_t last) { Close(Open(first), 0, last); }

  const uint32_t* tokens() const { return tokens_.data(); }
  const uint32_t* partners() const { return partners_.data(); }

 private:
  static constexpr size_t kTokensMax = 5;  // a comma, a key, a colon, and two brackets

  void PutToken(uint32_t offset, uint32_t partner) {
    tokens_.Put(offset);
    partners_.Put(partner);
  }

  GrowingArray<uint32_t> tokens_;
  GrowingArray<uint32_t> partners_;
};

}  // namespace tributary
