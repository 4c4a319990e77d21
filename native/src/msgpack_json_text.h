// The JSON text that msgpack is turned into: one growing buffer, reused from payload to payload.
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

namespace tributary {

class MsgpackJsonText {
 public:
  MsgpackJsonText() = default;
  ~MsgpackJsonText();
  MsgpackJsonText(const MsgpackJsonText&) = delete;
  MsgpackJsonText& operator=(const MsgpackJsonText&) = delete;

  const char* data() const { return data_; }
  size_t length() const { return length_; }
  // The last character; 0 in an empty text.
  char last() const { return length_ == 0 ? 0 : data_[length_ - 1]; }
  // Forgets what is behind `length`.
  void Truncate(size_t length) { length_ = length; }

  void Put(char character) {
    *Reserve(1) = character;
    length_++;
  }
  void Append(const char* text, size_t length) {
    memcpy(Reserve(length), text, length);
    length_ += length;
  }
  // A quoted string. 8 bytes behind `text` are read, whatever they are.
  void String(const uint8_t* text, size_t length);
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

 private:
  // Where the next `length` bytes go.
  char* Reserve(size_t length) {
    if (length > capacity_ - length_) Grow(length);
    return data_ + length_;
  }
  void Grow(size_t length);
  void Finish(const char* end) { length_ = static_cast<size_t>(end - data_); }

  char* data_ = nullptr;
  size_t length_ = 0, capacity_ = 0;  // the capacity without the padding
};

}  // namespace tributary
