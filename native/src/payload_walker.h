// A payload as JSON text with its tokens, and the walk over it.
//
// A token is a bracket, a colon, a comma or a scalar, in the order of the text. Between the start of one
// and the start of the next there is nothing but the first and white space: so a value's raw text costs
// no scan, and a string without escapes is read where it stands. Of an opening bracket we know the
// closing one, so an object that is kept as text is passed in one step, however large.
//
// Who makes the tokens has checked that the text is JSON (json_outline.h), or writes it
// (payload_outline.h, from msgpack); what reads events does not know which of the two it was.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "slice.h"
#include "unescaped_strings.h"

namespace tributary {

// Of an object or array that nobody walks, only the brackets need to be there.
struct ParsedPayload {
  const uint32_t* tokens;     // offsets in the text of each token's first byte, then of the text's end
  const uint32_t* partners;   // of an opening bracket: the closing one; of that: how many values are between
  const char* text;
  uint32_t length;
  UnescapedStrings* unescaped;  // where strings with escapes go; null when no string has any
};

// Where the walk is: the number of a token.
using Token = uint32_t;

inline bool IsNumber(char type) { return type == '-' || (type >= '0' && type <= '9'); }

class PayloadWalker {
 public:
  explicit PayloadWalker(const ParsedPayload& payload)
      : tokens_(payload.tokens),
        partners_(payload.partners),
        text_(payload.text),
        unescaped_(payload.unescaped) {}

  Token root() const { return 0; }
  // The first byte of the value at `at`: a bracket, a quote, t, f, n, or see IsNumber().
  char type_at(Token at) const { return text_[tokens_[at]]; }
  // Elements of the array at `at`.
  uint32_t count_at(Token at) const { return partners_[partners_[at]]; }
  uint32_t offset_of(Token at) const { return tokens_[at]; }
  // The string at `at`, unescaped; valid as long as the payload.
  Slice string_at(Token at) const {
    uint32_t start = tokens_[at] + 1;
    uint32_t end = tokens_[at + 1] - 1;
    while (text_[end] != '"') end--;  // white space
    Slice text{text_ + start, end - start};
    if (unescaped_ == nullptr || memchr(text.data, '\\', text.length) == nullptr) return text;
    return unescaped_->Add(text);
  }
  // The text from `at` up to the token `after`, without trailing white space.
  Slice RawBetween(Token at, Token after) const {
    uint32_t start = tokens_[at];
    uint32_t end = tokens_[after];
    while (end > start + 1 && static_cast<uint8_t>(text_[end - 1]) <= ' ') end--;
    return {text_ + start, end - start};
  }
  // The token behind the value at `at`: a comma or a closing bracket.
  Token Skip(Token at) const {
    char type = type_at(at);
    return (type == '{' || type == '[' ? partners_[at] : at) + 1;
  }

  // Calls visit(key, key_token, value) for each member of the object at `at`; `visit` returns the token
  // behind the value (Skip, or its own walk). Returns the token behind the object.
  template <typename Visit>
  Token EachMember(Token at, Visit visit) const {
    Token next = at + 1;
    while (type_at(next) != '}') {
      next = visit(string_at(next), next, next + 2);
      if (type_at(next) == ',') next++;
    }
    return next + 1;
  }

  // Calls visit(element) for each element of the array at `at`; as EachMember otherwise.
  template <typename Visit>
  Token EachElement(Token at, Visit visit) const {
    Token next = at + 1;
    while (type_at(next) != ']') {
      next = visit(next);
      if (type_at(next) == ',') next++;
    }
    return next + 1;
  }

 private:
  const uint32_t* tokens_;
  const uint32_t* partners_;
  const char* text_;
  UnescapedStrings* unescaped_;
};

}  // namespace tributary
