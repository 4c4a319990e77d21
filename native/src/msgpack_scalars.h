// Values of msgpack that hold no others, as JSON text: numbers and times. Strings, which are most of a payload, the
// parser writes itself. Here and not in a file of their own, because a call costs as much as a number.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "decode_failure.h"
#include "json_builder.h"
#include "msgpack_reader.h"

namespace tributary {

inline bool IsNumberToken(uint8_t token) { return token >= 0xca && token <= 0xd3; }

// Doubles from here on are written with an exponent, as ECMA-262 has it.
inline constexpr double kExponentFrom = 1e21;
inline constexpr double kUint64End = 0x1p64;
inline constexpr double kInt64Min = -0x1p63;

template <typename T>
DecodeFailure WriteUnsigned(MsgpackReader* in, JsonBuilder* out) {
  T value;
  if (!in->ReadUnsigned(&value)) return DecodeFailure::kMsgpackMalformed;
  out->Unsigned(value);
  return DecodeFailure::kNone;
}

template <typename T>
DecodeFailure WriteSigned(MsgpackReader* in, JsonBuilder* out) {
  T value;
  if (!in->ReadUnsigned(&value)) return DecodeFailure::kMsgpackMalformed;
  out->Signed(value);
  return DecodeFailure::kNone;
}

template <typename Bits, typename Number>
DecodeFailure WriteFloat(MsgpackReader* in, JsonBuilder* out) {
  Bits bits;
  if (!in->ReadUnsigned(&bits)) return DecodeFailure::kMsgpackMalformed;
  Number value;
  memcpy(&value, &bits, sizeof(value));
  // Written without an exponent, but no integer of 64 bits: JSON's reader refuses it.
  if (std::fabs(value) < kExponentFrom && (value >= kUint64End || value <= kInt64Min)) {
    return DecodeFailure::kNumberOutOfRange;
  }
  out->Double(value);
  return DecodeFailure::kNone;
}

inline uint64_t BigEndian(const uint8_t* bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

// Writes the number behind `token`, one of IsNumberToken(). Else kMsgpackMalformed, when the payload ends inside it,
// or kNumberOutOfRange.
inline DecodeFailure WriteNumber(uint8_t token, MsgpackReader* in, JsonBuilder* out) {
  switch (token) {
    case 0xca:
      return WriteFloat<uint32_t, float>(in, out);
    case 0xcb:
      return WriteFloat<uint64_t, double>(in, out);
    case 0xcc:
      return WriteUnsigned<uint8_t>(in, out);
    case 0xcd:
      return WriteUnsigned<uint16_t>(in, out);
    case 0xce:
      return WriteUnsigned<uint32_t>(in, out);
    case 0xcf:
      return WriteUnsigned<uint64_t>(in, out);
    case 0xd0:
      return WriteSigned<int8_t>(in, out);
    case 0xd1:
      return WriteSigned<int16_t>(in, out);
    case 0xd2:
      return WriteSigned<int32_t>(in, out);
    default:  // 0xd3
      return WriteSigned<int64_t>(in, out);
  }
}

// Writes the time in the `length` bytes of a timestamp extension; null for none, as JSON has an invalid Date.
// The arithmetic is that of doubles, as in msgpackr: a millisecond may be rounded up.
inline void WriteTimestamp(const uint8_t* bytes, uint32_t length, JsonBuilder* out) {
  double seconds, nanoseconds;
  switch (length) {
    case 4:
      seconds = static_cast<double>(BigEndian(bytes, 4));
      nanoseconds = 0;
      break;
    case 8: {
      uint64_t both = BigEndian(bytes, 8);
      seconds = static_cast<double>(both & ((1ull << 34) - 1));
      nanoseconds = static_cast<double>(both >> 34);
      break;
    }
    case 12:
      nanoseconds = static_cast<double>(BigEndian(bytes, 4));
      seconds = static_cast<double>(static_cast<int64_t>(BigEndian(bytes + 4, 8)));
      break;
    default:  // msgpackr writes an invalid Date in one byte
      out->Append("null", 4);
      return;
  }
  out->Time(nanoseconds / 1e6 + seconds * 1000);
}

}  // namespace tributary
