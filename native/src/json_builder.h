// JSON text that is made of other formats: one growing buffer, reused from payload to payload.
//
// - The text is to the letter what JSON.stringify writes for the same values: numbers in their
//   shortest form, times as ISO strings of milliseconds, no white space. A numeric user id is thereby
//   the same identifier in both formats.
// - Strings are copied with JSON's escapes and are not validated here: the JSON parser validates the
//   text as a whole, and no invalid sequence can reach over the quotes around it.
// - Behind the text there are always SIMDJSON_PADDING readable bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "byte_vector.h"
#include "slice.h"

namespace tributary {

// Copies one vector, and returns it.
inline Bytes CopyBytes(char* to, const char* from) {
  Bytes bytes = LoadBytes(from);
  memcpy(to, &bytes, kVectorBytes);
  return bytes;
}

// Copies `length` bytes in steps of a vector: up to 16 behind both ends are touched. Most texts are short,
// and a call would cost more than the copy.
inline void CopyShort(char* to, const char* from, size_t length) {
  for (size_t at = 0; at < length; at += kVectorBytes) CopyBytes(to + at, from + at);
}

constexpr Bytes kPositions = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

inline Lanes NeedsEscape(Bytes bytes) { return (bytes < 0x20) | (bytes == '"') | (bytes == '\\'); }

// Copies a text and says whether nothing in it needs an escape. Up to 16 bytes behind both are touched.
inline bool CopyPlain(char* to, const char* from, size_t length) {
  Lanes found = {};
  for (; length > kVectorBytes; length -= kVectorBytes) {
    found |= NeedsEscape(CopyBytes(to, from));
    from += kVectorBytes;
    to += kVectorBytes;
  }
  found |= NeedsEscape(CopyBytes(to, from)) & (kPositions < static_cast<uint8_t>(length));
  return !Any(found);
}

// Copies 32 bytes and finds what of the first `length` needs an escape.
inline Lanes CopyPair(char* to, const char* from, size_t length) {
  auto end = static_cast<uint8_t>(length);
  constexpr Bytes kLater = kPositions + kVectorBytes;
  return (NeedsEscape(CopyBytes(to, from)) & (kPositions < end)) |
         (NeedsEscape(CopyBytes(to + kVectorBytes, from + kVectorBytes)) & (kLater < end));
}

// As CopyPlain(), of up to 64 bytes where 64 may be touched: how often a loop over them runs no processor foresees.
inline bool CopyPlainShort(char* to, const char* from, size_t length) {
  Lanes found = CopyPair(to, from, length);
  if (length > 2 * kVectorBytes) {
    found |= CopyPair(to + 2 * kVectorBytes, from + 2 * kVectorBytes, length - 2 * kVectorBytes);
  }
  return !Any(found);
}

// Writes a positive number that has up to six decimals and 15 digits, which most have, at `to`, where 32 bytes are
// room enough. Returns its end; nullptr for any other, which is not written. No two decimals of 15 digits are the same
// double, so the one that reads back as `value` has the fewest digits of all that do.
char* WriteShortDecimal(char* to, double value);

class JsonBuilder {
 public:
  JsonBuilder() = default;
  ~JsonBuilder();
  JsonBuilder(const JsonBuilder&) = delete;
  JsonBuilder& operator=(const JsonBuilder&) = delete;

  const char* data() const { return data_; }
  size_t length() const { return length_; }
  // Forgets everything.
  void Clear() {
    length_ = 0;
    has_escapes_ = false;
  }
  // Forgets what is behind `length`.
  void Truncate(size_t length) { length_ = length; }
  // Whether a string that was written since Clear() had to be escaped.
  bool has_escapes() const { return has_escapes_; }

  void Put(char character) {
    *Reserve(1) = character;
    length_++;
  }
  void Append(const char* text, size_t length) {
    memcpy(Reserve(length), text, length);
    length_ += length;
  }
  // A quoted string. 16 bytes behind `text` are read, whatever they are.
  void String(const Slice& text) { StringBetween(0, text, 0); }
  // A quoted string and a colon, behind a comma unless it is the first key of its object.
  void Key(bool is_first, const Slice& text) { StringBetween(is_first ? 0 : ',', text, ':'); }
  // The same of a key that was written before: `quoted` has its quotes and the colon, and 16 bytes behind.
  void QuotedKey(bool is_first, const char* quoted, size_t length) {
    char* to = Reserve(length + 1 + kVectorBytes);
    *to = ',';
    CopyShort(to + !is_first, quoted, length);
    length_ += length + !is_first;
  }
  // Whole numbers beyond 2^53 are quoted: a JSON number would not keep their digits everywhere.
  void Unsigned(uint64_t value);
  void Signed(int64_t value);
  // null for NaN and infinities.
  void Double(double value);
  // Milliseconds since 1970 as a quoted ISO string; null beyond the range of JavaScript's Date.
  void Time(double milliseconds);
  // Quoted base64 with padding (RFC 4648).
  void Binary(const uint8_t* bytes, size_t length);
  // Puts quotes around the text from `start`, which has none.
  void Quote(size_t start);

  // Where the next `length` bytes go, for those who write them there and tell the end.
  char* Reserve(size_t length) {
    if (length > capacity_ - length_) Grow(length);
    return data_ + length_;
  }
  void Finish(const char* end) { length_ = static_cast<size_t>(end - data_); }

 private:
  void Grow(size_t length);
  // What stands around a string, and the vector that is stored beyond its end.
  static constexpr size_t kAroundString = 4 + kVectorBytes;
  // The string with a character before and one behind it, where they are not 0.
  void StringBetween(char before, const Slice& text, char behind) {
    char* to = Reserve(text.length + kAroundString);
    *to = before;
    to += before != 0;
    *to++ = '"';
    to = CopyPlain(to, text.data, text.length) ? to + text.length : Escape(to, text);
    *to++ = '"';
    *to = behind;
    Finish(to + (behind != 0));
  }
  // Writes the text of a string with its escapes at `to`, the end so far. Returns its end.
  char* Escape(char* to, const Slice& text);

  char* data_ = nullptr;
  size_t length_ = 0, capacity_ = 0;  // the capacity without the padding
  bool has_escapes_ = false;
};

}  // namespace tributary
