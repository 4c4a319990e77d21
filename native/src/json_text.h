// Reads the text of JSON values that simdjson has accepted: no position needs a check of its own, as long
// as the cursor stays on tokens. Only for the few rows and members somebody asked for; the decoder walks
// tokens instead (payload_walker.h).
#pragma once
#include <cstdint>
#include <string>

#include "slice.h"

namespace tributary {

class JsonText {
 public:
  // The cursor stands on the first byte of a value, or on white space before it.
  explicit JsonText(const Slice& text) : at_(text.data) {}

  // The first byte of the next token.
  char Peek() {
    while (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t') at_++;
    return *at_;
  }
  // Passes the value ahead and returns its text; a string without its quotes, escapes as they stand.
  Slice Take();
  // Passes the object ahead; calls visit(key) on each value, which it must pass (Take or a walk).
  template <typename Visit>
  void EachMember(Visit visit) {
    Peek();
    at_++;
    while (Peek() != '}') {
      if (*at_ == ',') at_++;
      Peek();
      Slice key = Take();
      Peek();
      at_++;  // the colon
      Peek();
      visit(key);
    }
    at_++;
  }
  // Passes the array ahead; calls visit() on each element, which it must pass.
  template <typename Visit>
  void EachElement(Visit visit) {
    Peek();
    at_++;
    while (Peek() != ']') {
      if (*at_ == ',') at_++;
      Peek();
      visit();
    }
    at_++;
  }

 private:
  void PassString();
  const char* at_;
};

// Writes what a JSON string between its quotes stands for, as UTF-8.
void Unescape(const Slice& text, std::string* out);

}  // namespace tributary
