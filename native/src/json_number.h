// The grammar of a number in JSON, for those who check tokens and those who tell why one was refused.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tributary {

struct JsonNumber {
  const char* end = nullptr;  // behind its last byte; null for what is no number
  ptrdiff_t whole_digits = 0;
  ptrdiff_t exponent_digits = 0;
  bool is_decimal = false;  // has a fraction or an exponent
};

inline const char* PassDigits(const char* at) {
  while (static_cast<uint8_t>(*at - '0') < 10) at++;
  return at;
}

// Reads the number that begins at `at`, in a text that has something else than digits behind it.
inline JsonNumber PassNumber(const char* at) {
  JsonNumber number;
  if (*at == '-') at++;
  const char* digits = at;
  at = PassDigits(at);
  number.whole_digits = at - digits;
  if (number.whole_digits == 0 || (number.whole_digits > 1 && *digits == '0')) return number;
  if (*at == '.') {
    const char* fraction = at + 1;
    at = PassDigits(fraction);
    if (at == fraction) return number;
    number.is_decimal = true;
  }
  if (*at == 'e' || *at == 'E') {
    at++;
    if (*at == '+' || *at == '-') at++;
    const char* exponent = at;
    at = PassDigits(exponent);
    number.exponent_digits = at - exponent;
    if (number.exponent_digits == 0) return number;
    number.is_decimal = true;
  }
  number.end = at;
  return number;
}

}  // namespace tributary
