#include "number_range.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

#include "json_number.h"

namespace tributary {

namespace {

constexpr const char* kNumberBytes = "0123456789+-.eE";

template <typename Integer>
bool Fits(const std::string& digits) {
  Integer value;
  return std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc();
}

// `word` is the whole token.
bool IsOutOfRange(const std::string& word) {
  JsonNumber number = PassNumber(word.c_str());
  if (number.end != word.c_str() + word.size()) return false;
  if (!number.is_decimal) return !Fits<int64_t>(word) && !Fits<uint64_t>(word);
  return std::isinf(strtod(word.c_str(), nullptr));
}

}  // namespace

bool HasNumberOutOfRange(const char* text, uint32_t length, const uint32_t* tokens, uint32_t count) {
  std::string_view whole(text, length);
  for (uint32_t i = 0; i < count; i++) {
    if (tokens[i] >= length) continue;
    std::string_view rest = whole.substr(tokens[i]);
    if (IsOutOfRange(std::string(rest.substr(0, rest.find_first_not_of(kNumberBytes))))) return true;
  }
  return false;
}

}  // namespace tributary
