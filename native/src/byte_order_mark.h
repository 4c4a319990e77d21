// The mark that some programs put before UTF-8. simdjson's parser passes over it; JSON.parse refuses it, and so do we.
#pragma once
#include <cstddef>
#include <cstring>

namespace tributary {

inline bool HasByteOrderMark(const char* text, size_t length) {
  return length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0;
}

}  // namespace tributary
