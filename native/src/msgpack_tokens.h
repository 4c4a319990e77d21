// How long the tokens of msgpack are, which is what it takes to pass over values without reading them; and the
// ids of msgpackr's records.
#pragma once
#include <cstdint>

namespace tributary {

// The extension under which msgpackr writes records: an id, an array of keys, and the values of the first.
constexpr uint8_t kRecordExtension = 0x72;
// Ids are bytes from kRecordIdMin to 0x7f, known by what the mask leaves; the upper half of them may go on in a
// second byte, which counts in steps of 32.
constexpr uint8_t kRecordIdMin = 0x40, kRecordIdEnd = 0x80;
constexpr uint32_t kRecordIdMask = 0x3f;
constexpr uint32_t kSecondByteIdMin = 32;
constexpr uint32_t kSecondByteStep = 32;

inline bool IsStringToken(uint8_t token) {
  return (token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb);
}

enum class TokenKind : uint8_t { kPlain, kExtension, kArray, kMap, kNever };

// A token: bytes behind it whatever it says, and those of a length (big-endian): of bytes behind it, or of
// the values of an array or the pairs of a map.
struct MsgpackToken {
  uint8_t fixed_bytes, length_bytes;
  TokenKind kind;
};

// Those from 0xc0 to 0xdf. All below are their own length: integers, maps, arrays and strings of a few; those
// above are integers.
inline constexpr MsgpackToken kMsgpackTokens[32] = {
    {0, 0, TokenKind::kPlain},      {0, 0, TokenKind::kNever},  // nil; 0xc1
    {0, 0, TokenKind::kPlain},      {0, 0, TokenKind::kPlain},  // false, true
    {0, 1, TokenKind::kPlain},      {0, 2, TokenKind::kPlain},      {0, 4, TokenKind::kPlain},  // bin
    {1, 1, TokenKind::kExtension},  {1, 2, TokenKind::kExtension},  {1, 4, TokenKind::kExtension},
    {4, 0, TokenKind::kPlain},      {8, 0, TokenKind::kPlain},  // floats
    {1, 0, TokenKind::kPlain},      {2, 0, TokenKind::kPlain},      {4, 0, TokenKind::kPlain},
    {8, 0, TokenKind::kPlain},      {1, 0, TokenKind::kPlain},      {2, 0, TokenKind::kPlain},
    {4, 0, TokenKind::kPlain},      {8, 0, TokenKind::kPlain},  // integers
    {2, 0, TokenKind::kExtension},  {3, 0, TokenKind::kExtension},  {5, 0, TokenKind::kExtension},
    {9, 0, TokenKind::kExtension},  {17, 0, TokenKind::kExtension},
    {0, 1, TokenKind::kPlain},      {0, 2, TokenKind::kPlain},      {0, 4, TokenKind::kPlain},  // str
    {0, 2, TokenKind::kArray},      {0, 4, TokenKind::kArray},
    {0, 2, TokenKind::kMap},        {0, 4, TokenKind::kMap},
};

}  // namespace tributary
