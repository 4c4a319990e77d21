#include "unicode_escapes.h"

#include <cstdint>
#include <cstring>

namespace tributary {

namespace {

constexpr size_t kEscapeBytes = 6;  // \uXXXX

uint32_t HexDigit(char digit) {
  return digit <= '9' ? static_cast<uint32_t>(digit - '0') : static_cast<uint32_t>((digit | 0x20) - 'a' + 10);
}

// The UTF-16 code unit of the escape at `at`.
uint32_t CodeUnit(const char* at) {
  return HexDigit(at[2]) << 12 | HexDigit(at[3]) << 8 | HexDigit(at[4]) << 4 | HexDigit(at[5]);
}

}  // namespace

bool HasLoneSurrogate(const char* json, size_t length) {
  const char* end = json + length;
  const char* at = json;
  // In valid JSON a backslash stands only in strings, always before the rest of its escape.
  while ((at = static_cast<const char*>(memchr(at, '\\', static_cast<size_t>(end - at)))) != nullptr) {
    if (at[1] != 'u') {
      at += 2;
      continue;
    }
    uint32_t unit = CodeUnit(at);
    at += kEscapeBytes;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    if (unit > 0xdbff || at[0] != '\\' || at[1] != 'u') return true;
    uint32_t low = CodeUnit(at);
    if (low < 0xdc00 || low > 0xdfff) return true;
    at += kEscapeBytes;
  }
  return false;
}

}  // namespace tributary
