#include "json_text.h"

namespace tributary {

namespace {

uint32_t HexDigits(const char* digits) {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++) {
    char digit = digits[i];
    uint32_t nibble = digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
    value = value << 4 | nibble;
  }
  return value;
}

void AppendUtf8(uint32_t code, std::string* out) {
  auto tail = [&](int shift) { out->push_back(static_cast<char>(0x80 | (code >> shift & 0x3f))); };
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xc0 | code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | code >> 12));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xf0 | code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

char SimpleEscape(char letter) {
  switch (letter) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return letter;  // the quote, the slash and the backslash stand for themselves
  }
}

}  // namespace

void JsonText::PassString() {
  at_++;
  while (*at_ != '"') at_ += *at_ == '\\' ? 2 : 1;
  at_++;
}

Slice JsonText::Take() {
  const char* start = at_;
  char first = Peek();
  start = at_;
  if (first == '"') {
    PassString();
    return {start + 1, static_cast<uint32_t>(at_ - start - 2)};
  }
  if (first != '{' && first != '[') {
    // A number or a word ends where no such character follows; the text goes on at least with a bracket.
    while (*at_ != ',' && *at_ != '}' && *at_ != ']' && static_cast<uint8_t>(*at_) > ' ') at_++;
    return {start, static_cast<uint32_t>(at_ - start)};
  }
  int depth = 0;
  do {
    char token = *at_;
    if (token == '"') {
      PassString();
      continue;
    }
    if (token == '{' || token == '[') depth++;
    if (token == '}' || token == ']') depth--;
    at_++;
  } while (depth > 0);
  return {start, static_cast<uint32_t>(at_ - start)};
}

void Unescape(const Slice& text, std::string* out) {
  out->clear();
  const char* end = text.data + text.length;
  for (const char* at = text.data; at < end;) {
    if (*at != '\\') {
      out->push_back(*at++);
      continue;
    }
    if (at[1] != 'u') {
      out->push_back(SimpleEscape(at[1]));
      at += 2;
      continue;
    }
    uint32_t code = HexDigits(at + 2);
    at += 6;
    bool is_pair = code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' &&
                   at[1] == 'u' && HexDigits(at + 2) >= 0xdc00 && HexDigits(at + 2) < 0xe000;
    if (is_pair) {
      code = 0x10000 + ((code - 0xd800) << 10) + (HexDigits(at + 2) - 0xdc00);
      at += 6;
    }
    bool is_half = code >= 0xd800 && code < 0xe000;
    AppendUtf8(is_half ? 0xfffd : code, out);
  }
}

}  // namespace tributary
