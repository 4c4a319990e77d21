#include "json_outline.h"

#include <cstring>

#include "json_number.h"

namespace tributary {

namespace {

constexpr uint32_t kDepthMax = 1024;
// No integer of so many digits is beyond 64 bits, and no decimal beyond a double.
constexpr ptrdiff_t kIntegerDigitsMax = 18;
constexpr ptrdiff_t kDecimalDigitsMax = 200;
constexpr ptrdiff_t kExponentDigitsMax = 2;

// What a byte can be: one table read instead of comparisons.
enum ByteKind : uint8_t { kOther, kDigit, kEnd };
struct ByteKinds {
  ByteKind of[256];
  constexpr ByteKinds() : of() {
    for (char digit = '0'; digit <= '9'; digit++) of[static_cast<uint8_t>(digit)] = kDigit;
    for (const char* end = " \t\n\r,:[]{}"; *end != 0; end++) of[static_cast<uint8_t>(*end)] = kEnd;
  }
};
constexpr ByteKinds kKinds;

ByteKind KindOf(char byte) { return kKinds.of[static_cast<uint8_t>(byte)]; }

// Whether a number is valid and within 64 bits, or a double. False also when that takes arithmetic.
bool IsPlainNumber(const char* at) {
  JsonNumber number = PassNumber(at);
  return number.end != nullptr && number.exponent_digits <= kExponentDigitsMax &&
         number.whole_digits <= (number.is_decimal ? kDecimalDigitsMax : kIntegerDigitsMax) &&
         KindOf(*number.end) == kEnd;
}

bool IsPlainScalar(const char* at) {
  switch (*at) {
    case '"':
      return true;  // closed and without control characters; escapes are checked for the whole text
    case 't':
      return memcmp(at, "true", 4) == 0 && KindOf(at[4]) == kEnd;
    case 'f':
      return memcmp(at, "false", 5) == 0 && KindOf(at[5]) == kEnd;
    case 'n':
      return memcmp(at, "null", 4) == 0 && KindOf(at[4]) == kEnd;
    default:
      return IsPlainNumber(at);
  }
}

bool IsHexDigit(char byte) {
  char letter = static_cast<char>(byte | 0x20);
  return KindOf(byte) == kDigit || (letter >= 'a' && letter <= 'f');
}

}  // namespace

bool JsonOutline::Read(const char* text, const uint32_t* tokens, uint32_t count,
                       uint32_t depth_max, Scalars scalars) {
  struct Scope {
    uint32_t opened;
    uint32_t values;
  };
  Scope scopes[kDepthMax];
  uint32_t* partners = (partners_.SetLength(0), partners_.Reserve(size_t{count} + 3));
  auto at = [&](uint32_t token) { return text[tokens[token]]; };
  // Behind the last bracket no scalar is read, wherever it seems to end.
  if (count < 2 || at(0) != '{' || at(count - 1) != '}') return false;
  uint32_t depth = 0;
  char closing = '}';
  scopes[0] = {0, 0};
  uint32_t next = 1;
  bool is_empty = at(1) == '}';
  for (;;) {
    // A member or an element; past the last token stand copies of the byte behind the text.
    if (!is_empty) {
      if (next >= count) return false;
      if (closing == '}') {
        if (at(next) != '"' || at(next + 1) != ':') return false;
        next += 2;
      }
      scopes[depth].values++;
      char type = at(next);
      if (type == '{' || type == '[') {
        closing = static_cast<char>(type + 2);
        is_empty = at(next + 1) == closing;
        // As simdjson counts: the root is level 1, and what is empty needs no level.
        if (depth + 1 >= kDepthMax || (!is_empty && depth + 2 >= depth_max)) return false;
        scopes[++depth] = {next, 0};
        next++;
        if (!is_empty) continue;
      } else {
        if (scalars == Scalars::kUnchecked && !IsPlainScalar(text + tokens[next])) return false;
        next++;
      }
    }
    is_empty = false;
    while (at(next) == closing) {
      const Scope& scope = scopes[depth];
      partners[scope.opened] = next;
      partners[next] = scope.values;
      next++;
      if (depth == 0) return next == count;
      depth--;
      closing = static_cast<char>(at(scopes[depth].opened) + 2);
    }
    if (at(next) != ',') return false;
    next++;
  }
}

bool HasValidEscapes(const char* text, uint32_t length) {
  const char* end = text + length;
  for (const char* at = text; at < end;) {
    at = static_cast<const char*>(memchr(at, '\\', static_cast<size_t>(end - at)));
    if (at == nullptr) return true;
    if (end - at < 2) return false;
    if (at[1] == 'u') {
      if (end - at < 6) return false;
      for (int i = 2; i < 6; i++) {
        if (!IsHexDigit(at[i])) return false;
      }
      at += 6;
    } else {
      if (strchr("\"\\/bfnrt", at[1]) == nullptr || at[1] == 0) return false;
      at += 2;
    }
  }
  return true;
}

}  // namespace tributary
