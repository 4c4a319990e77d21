// A piece of text that lives elsewhere; data is null when absent.
//
// Both members are words: one that is returned is read as two of them, and a processor waits where a word
// is read of which half was just written.
#pragma once
#include <cstddef>

namespace tributary {

struct Slice {
  const char* data = nullptr;
  size_t length = 0;
  bool present() const { return data != nullptr; }
};

}  // namespace tributary
