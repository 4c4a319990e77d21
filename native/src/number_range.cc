#include "number_range.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

namespace tributary {

namespace {

bool IsDigit(char byte) { return byte >= '0' && byte <= '9'; }

// The end of the digits at `at`, which is there at least once for a number.
const char* PassDigits(const char* at) {
  while (IsDigit(*at)) at++;
  return at;
}

template <typename Integer>
bool Fits(const std::string& digits) {
  Integer value;
  return std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc();
}

// `word` is the whole token.
bool IsOutOfRange(const std::string& word) {
  const char* at = word.c_str();
  if (*at == '-') at++;
  const char* end = PassDigits(at);
  if (end == at || (*at == '0' && end - at > 1)) return false;
  bool is_integer = true;
  if (*end == '.') {
    is_integer = false;
    at = end + 1;
    end = PassDigits(at);
    if (end == at) return false;
  }
  if (*end == 'e' || *end == 'E') {
    is_integer = false;
    at = end + 1;
    if (*at == '+' || *at == '-') at++;
    end = PassDigits(at);
    if (end == at) return false;
  }
  if (end != word.c_str() + word.size()) return false;
  if (is_integer) return !Fits<int64_t>(word) && !Fits<uint64_t>(word);
  return std::isinf(strtod(word.c_str(), nullptr));
}

}  // namespace

bool HasNumberOutOfRange(const char* text, uint32_t length, const uint32_t* tokens, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t start = tokens[i];
    if (start >= length || (text[start] != '-' && !IsDigit(text[start]))) continue;
    uint32_t end = start + 1;
    while (end < length && (IsDigit(text[end]) || text[end] == '.' || text[end] == '+' || text[end] == '-' ||
                            text[end] == 'e' || text[end] == 'E')) {
      end++;
    }
    if (IsOutOfRange(std::string(text + start, end - start))) return true;
  }
  return false;
}

}  // namespace tributary
