// Reads msgpack's tokens from bytes nobody has checked: every read says whether it was inside.
// Numbers are big-endian, as the format has them (github.com/msgpack/msgpack/blob/master/spec.md).
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "slice.h"

namespace tributary {

// What a payload is told that ends before its value does.
inline constexpr char kMsgpackCutOff[] = "it ends inside a value";

class MsgpackReader {
 public:
  MsgpackReader() = default;
  MsgpackReader(const uint8_t* bytes, size_t length) : bytes_(bytes), length_(length) {}

  size_t position() const { return position_; }
  size_t remaining() const { return length_ - position_; }
  // Where the next byte is; and to go on behind some that were read there.
  const uint8_t* at() const { return bytes_ + position_; }
  void Advance(size_t length) { position_ += length; }
  // The next byte, without taking it; only where something remains.
  uint8_t Peek() const { return bytes_[position_]; }

  bool ReadByte(uint8_t* value) {
    if (position_ == length_) return false;
    *value = bytes_[position_++];
    return true;
  }

  // An unsigned integer of T's width.
  template <typename T>
  bool ReadUnsigned(T* value) {
    if (remaining() < sizeof(T)) return false;
    uint64_t read = 0;
    for (size_t i = 0; i < sizeof(T); i++) read = read << 8 | bytes_[position_ + i];
    position_ += sizeof(T);
    *value = static_cast<T>(read);
    return true;
  }

  // A length or count of T's width.
  template <typename T>
  bool ReadLength(uint32_t* length) {
    T value;
    if (!ReadUnsigned(&value)) return false;
    *length = value;
    return true;
  }

  // The next `length` bytes, in place.
  bool Take(size_t length, const uint8_t** bytes) {
    if (remaining() < length) return false;
    *bytes = bytes_ + position_;
    position_ += length;
    return true;
  }

  // A string, which the next token is one of, if any is left.
  bool TakeString(Slice* text) {
    if (position_ == length_) return false;
    uint8_t token = bytes_[position_];
    uint32_t header = 1;
    uint32_t length = 0;
    if (token < 0xc0) {
      length = token & 0x1f;
    } else {
      header += 1u << (token - 0xd9);  // str 8, 16 and 32
      if (remaining() < header) return false;
      for (uint32_t i = 1; i < header; i++) length = length << 8 | bytes_[position_ + i];
    }
    if (remaining() - header < length) return false;
    *text = {reinterpret_cast<const char*>(bytes_ + position_ + header), length};
    position_ += header + length;
    return true;
  }

 private:
  const uint8_t* bytes_ = nullptr;
  size_t length_ = 0, position_ = 0;
};

}  // namespace tributary
