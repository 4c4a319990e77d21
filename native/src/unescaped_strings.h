// The strings of one payload that hold escapes, unescaped. Few do: the others are read where they stand.
#pragma once
#include <cstddef>
#include <deque>
#include <string>

#include "slice.h"

namespace tributary {

class UnescapedStrings {
 public:
  void Clear() { used_ = 0; }
  // What a JSON string between its quotes stands for, valid until Clear().
  Slice Add(const Slice& escaped);

 private:
  std::deque<std::string> strings_;  // whose elements stay where they are
  size_t used_ = 0;
};

}  // namespace tributary
