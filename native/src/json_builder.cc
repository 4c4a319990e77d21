#include "json_builder.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "simdjson.h"

namespace tributary {

namespace {

constexpr uint64_t kSafeIntegerMax = (1ull << 53) - 1;
constexpr size_t kNumberBytesMax = 32;
constexpr size_t kEscapeBytesMax = 6;  // \u00XX
constexpr double kTimeMillisecondsMax = 8.64e15;
constexpr int64_t kDayMilliseconds = 86400000;
constexpr char kHexDigits[] = "0123456789abcdef";

char* EscapeByte(char* to, uint8_t byte) {
  if (byte >= 0x20 && byte != '"' && byte != '\\') {
    *to++ = static_cast<char>(byte);
    return to;
  }
  *to++ = '\\';
  switch (byte) {
    case '"':
    case '\\':
      *to++ = static_cast<char>(byte);
      return to;
    case '\b':
      *to++ = 'b';
      return to;
    case '\t':
      *to++ = 't';
      return to;
    case '\n':
      *to++ = 'n';
      return to;
    case '\f':
      *to++ = 'f';
      return to;
    case '\r':
      *to++ = 'r';
      return to;
    default:
      memcpy(to, "u00", 3);
      to[3] = kHexDigits[byte >> 4];
      to[4] = kHexDigits[byte & 15];
      return to + 5;
  }
}

char* Digits(char* to, uint64_t value, int width) {
  for (int i = width - 1; i >= 0; i--, value /= 10) to[i] = static_cast<char>('0' + value % 10);
  return to + width;
}

// Year, month and day of a day since 1970 in the proleptic Gregorian calendar, by Howard Hinnant's
// civil_from_days (howardhinnant.github.io/date_algorithms.html).
void CivilOf(int64_t day, int64_t* year, int* month, int* day_of_month) {
  day += 719468;
  int64_t era = (day >= 0 ? day : day - 146096) / 146097;
  int64_t day_of_era = day - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t shifted = (5 * day_of_year + 2) / 153;  // months since March
  *day_of_month = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  *month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  *year = year_of_era + era * 400 + (*month <= 2);
}

// ECMA-262 6.1.6.1.20, Number::toString: `digits` without a point, the first worth 10^exponent.
char* PlaceDigits(char* to, const char* digits, int count, int exponent) {
  int point = exponent + 1;
  auto copy = [&](const char* from, int length) {
    memcpy(to, from, static_cast<size_t>(length));
    to += length;
  };
  auto zeros = [&](int length) {
    memset(to, '0', static_cast<size_t>(length));
    to += length;
  };
  if (count <= point && point <= 21) {
    copy(digits, count);
    zeros(point - count);
  } else if (0 < point && point <= 21) {
    copy(digits, point);
    *to++ = '.';
    copy(digits + point, count - point);
  } else if (-6 < point && point <= 0) {
    copy("0.", 2);
    zeros(-point);
    copy(digits, count);
  } else {
    *to++ = digits[0];
    if (count > 1) {
      *to++ = '.';
      copy(digits + 1, count - 1);
    }
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    to = std::to_chars(to, to + 4, exponent < 0 ? -exponent : exponent).ptr;
  }
  return to;
}

}  // namespace

char* WriteShortDecimal(char* to, double value) {
  constexpr int kDecimals = 6;
  constexpr double kScale = 1e6;
  constexpr double kScaledEnd = 1e15;
  constexpr double kPlainFrom = 1e-6;  // with an exponent below
  if (!(value >= kPlainFrom && value < kScaledEnd / kScale)) return nullptr;
  uint64_t scaled = static_cast<uint64_t>(value * kScale + 0.5);
  if (static_cast<double>(scaled) / kScale != value) return nullptr;
  uint64_t whole = scaled / 1000000, fraction = scaled % 1000000;
  to = std::to_chars(to, to + kNumberBytesMax, whole).ptr;
  if (fraction == 0) return to;
  int decimals = kDecimals;
  for (; fraction % 100 == 0; fraction /= 100) decimals -= 2;
  if (fraction % 10 == 0) {
    fraction /= 10;
    decimals--;
  }
  *to++ = '.';
  return Digits(to, fraction, decimals);
}

JsonBuilder::~JsonBuilder() { free(data_); }

void JsonBuilder::Grow(size_t length) {
  size_t capacity = (length_ + length) * 2;
  void* grown = realloc(data_, capacity + simdjson::SIMDJSON_PADDING);
  if (grown == nullptr) abort();  // out of memory: nothing sensible is left to do
  data_ = static_cast<char*>(grown);
  capacity_ = capacity;
}

char* JsonBuilder::Escape(char* to, const Slice& text) {
  has_escapes_ = true;
  Finish(to);
  to = Reserve(text.length * kEscapeBytesMax + kAroundString);
  for (size_t i = 0; i < text.length; i++) to = EscapeByte(to, static_cast<uint8_t>(text.data[i]));
  return to;
}

void JsonBuilder::Unsigned(uint64_t value) {
  size_t start = length_;
  char* to = Reserve(kNumberBytesMax);
  Finish(std::to_chars(to, to + kNumberBytesMax, value).ptr);
  if (value > kSafeIntegerMax) Quote(start);
}

void JsonBuilder::Signed(int64_t value) {
  if (value >= 0) return Unsigned(static_cast<uint64_t>(value));
  size_t start = length_;
  char* to = Reserve(kNumberBytesMax);
  Finish(std::to_chars(to, to + kNumberBytesMax, value).ptr);
  if (value < -static_cast<int64_t>(kSafeIntegerMax)) Quote(start);
}

void JsonBuilder::Double(double value) {
  if (!std::isfinite(value)) return Append("null", 4);
  char* to = Reserve(kNumberBytesMax);
  if (std::fabs(value) <= static_cast<double>(kSafeIntegerMax) && value == std::trunc(value)) {
    return Finish(std::to_chars(to, to + kNumberBytesMax, static_cast<int64_t>(value)).ptr);
  }
  if (value < 0) *to++ = '-';
  char* end_of_short = WriteShortDecimal(to, std::fabs(value));
  if (end_of_short != nullptr) return Finish(end_of_short);
  // "d.ddde±xx" with the fewest digits that read back as the same number; 17 at most.
  char scientific[kNumberBytesMax];
  const char* end = std::to_chars(scientific, scientific + kNumberBytesMax, std::fabs(value),
                                  std::chars_format::scientific)
                        .ptr;
  char digits[kNumberBytesMax];
  int count = 0;
  const char* at = scientific;
  for (; *at != 'e'; at++) {
    if (*at != '.') digits[count++] = *at;
  }
  at++;
  if (*at == '+') at++;
  int exponent = 0;
  std::from_chars(at, end, exponent);
  Finish(PlaceDigits(to, digits, count, exponent));
}

void JsonBuilder::Time(double milliseconds) {
  if (!(std::fabs(milliseconds) <= kTimeMillisecondsMax)) return Append("null", 4);
  int64_t whole = static_cast<int64_t>(milliseconds);  // towards zero, as ECMA-262's TimeClip
  int64_t day = whole / kDayMilliseconds - (whole % kDayMilliseconds < 0);
  int64_t rest = whole - day * kDayMilliseconds;
  int64_t year;
  int month, day_of_month;
  CivilOf(day, &year, &month, &day_of_month);
  char* to = Reserve(kNumberBytesMax);
  *to++ = '"';
  bool is_long = year < 0 || year > 9999;
  if (is_long) *to++ = year < 0 ? '-' : '+';
  to = Digits(to, static_cast<uint64_t>(year < 0 ? -year : year), is_long ? 6 : 4);
  *to++ = '-';
  to = Digits(to, static_cast<uint64_t>(month), 2);
  *to++ = '-';
  to = Digits(to, static_cast<uint64_t>(day_of_month), 2);
  *to++ = 'T';
  to = Digits(to, static_cast<uint64_t>(rest / 3600000), 2);
  *to++ = ':';
  to = Digits(to, static_cast<uint64_t>(rest / 60000 % 60), 2);
  *to++ = ':';
  to = Digits(to, static_cast<uint64_t>(rest / 1000 % 60), 2);
  *to++ = '.';
  to = Digits(to, static_cast<uint64_t>(rest % 1000), 3);
  *to++ = 'Z';
  *to++ = '"';
  Finish(to);
}

void JsonBuilder::Binary(const uint8_t* bytes, size_t length) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char* to = Reserve((length + 2) / 3 * 4 + 2);
  *to++ = '"';
  for (size_t at = 0; at < length; at += 3) {
    size_t left = length - at;
    uint32_t group = static_cast<uint32_t>(bytes[at]) << 16;
    if (left > 1) group |= static_cast<uint32_t>(bytes[at + 1]) << 8;
    if (left > 2) group |= bytes[at + 2];
    *to++ = kDigits[group >> 18];
    *to++ = kDigits[group >> 12 & 63];
    *to++ = left > 1 ? kDigits[group >> 6 & 63] : '=';
    *to++ = left > 2 ? kDigits[group & 63] : '=';
  }
  *to++ = '"';
  Finish(to);
}

void JsonBuilder::Quote(size_t start) {
  Reserve(2);
  memmove(data_ + start + 1, data_ + start, length_ - start);
  data_[start] = '"';
  data_[length_ + 1] = '"';
  length_ += 2;
}

}  // namespace tributary
