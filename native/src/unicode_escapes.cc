#include "unicode_escapes.h"

#include <algorithm>
#include <cstring>

#include "simdjson.h"

namespace tributary {

namespace {

constexpr size_t kEscapeBytes = 6;  // \uXXXX
constexpr char kReplacement[] = "\\ufffd";
constexpr uint32_t kNoUnit = UINT32_MAX;

uint32_t HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<uint32_t>(digit - '0');
  char letter = static_cast<char>(digit | 0x20);
  return letter >= 'a' && letter <= 'f' ? static_cast<uint32_t>(letter - 'a' + 10) : kNoUnit;
}

// The UTF-16 code unit of the escape at `at`, or kNoUnit where none stands.
uint32_t CodeUnit(const char* at, const char* end) {
  if (end - at < static_cast<ptrdiff_t>(kEscapeBytes) || at[0] != '\\' || at[1] != 'u') return kNoUnit;
  uint32_t unit = 0;
  for (size_t i = 2; i < kEscapeBytes; i++) {
    uint32_t digit = HexDigit(at[i]);
    if (digit == kNoUnit) return kNoUnit;
    unit = unit << 4 | digit;
  }
  return unit;
}

bool IsHigh(uint32_t unit) { return unit >= 0xd800 && unit <= 0xdbff; }
bool IsLow(uint32_t unit) { return unit >= 0xdc00 && unit <= 0xdfff; }

// The first half pair from `at`, or null. In valid JSON a backslash stands only in strings, always
// before the rest of its escape; elsewhere the text stays invalid whatever is replaced.
const char* FindHalfPair(const char* at, const char* end) {
  while (at < end) {
    at = static_cast<const char*>(memchr(at, '\\', static_cast<size_t>(end - at)));
    if (at == nullptr) return nullptr;
    uint32_t unit = CodeUnit(at, end);
    if (unit == kNoUnit) {
      at += 2;
    } else if (IsLow(unit)) {
      return at;
    } else if (IsHigh(unit)) {
      if (!IsLow(CodeUnit(at + kEscapeBytes, end))) return at;
      at += 2 * kEscapeBytes;
    } else {
      at += kEscapeBytes;
    }
  }
  return nullptr;
}

}  // namespace

bool SurrogateRepair::Repair(const char* json, uint32_t length) {
  offsets_.clear();
  const char* end = json + length;
  const char* found = FindHalfPair(json, end);
  if (found == nullptr) return false;
  text_.assign(json, length);
  text_.append(simdjson::SIMDJSON_PADDING, ' ');
  for (; found != nullptr; found = FindHalfPair(found + kEscapeBytes, end)) {
    uint32_t offset = static_cast<uint32_t>(found - json);
    memcpy(&text_[offset], kReplacement, kEscapeBytes);
    offsets_.push_back(offset);
  }
  return true;
}

bool SurrogateRepair::Touches(const Slice& part) const {
  if (!part.present()) return false;
  uint32_t start = static_cast<uint32_t>(part.data - text_.data());
  auto first = std::lower_bound(offsets_.begin(), offsets_.end(), start);
  return first != offsets_.end() && *first - start < part.length;
}

}  // namespace tributary
