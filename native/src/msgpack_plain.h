// The short way through msgpack: members that most objects consist of, written as JSON text with both
// cursors in registers and without a look at any length.
//
// Before each member it makes sure of kPlainMemberBytesMax readable bytes of payload and as much room for text, which
// is more than one has. What is anything but plain is left to the long way.
#pragma once
#include <charconv>
#include <cstdint>
#include <cstring>

#include "json_builder.h"
#include "msgpack_scalars.h"
#include "msgpack_shapes.h"
#include "msgpack_tokens.h"

namespace tributary {

// What one member has at most, of payload and of text, without the objects in it; and what a copy touches behind it.
constexpr size_t kPlainMemberBytesMax = 128;
constexpr uint32_t kPlainStringBytesMax = 64;
// Objects within objects that are plain. What is not is read again for each level around it.
constexpr int kPlainLevels = 2;

inline bool IsPlainStringToken(uint8_t token) { return (token & 0xe0) == 0xa0 || token == 0xd9; }

// The keys of a map, each before its value.
class MapKeys {
 public:
  // Writes the next key with its quotes and the colon. Returns what is behind it; no place when it is no short string.
  PlainPlace Write(PlainPlace at) {
    if ((*at.in & 0xe0) != 0xa0) return {};
    uint32_t length = *at.in++ & 0x1fu;
    *at.to++ = '"';
    if (Any(CopyPair(at.to, reinterpret_cast<const char*>(at.in), length))) return {};
    memcpy(at.to + length, "\":", 2);
    return {at.in + length, at.to + length + 2};
  }
};

// The short way through one payload, as far as there is room. Each function takes a place and returns the one behind
// what it wrote, in registers; no place when something is not plain.
class PlainWay {
 public:
  // `shapes` is null where the payload has defined none so far.
  PlainWay(const uint8_t* in_end, char* to_end, const MsgpackShapes* shapes)
      : in_end_(in_end), to_end_(to_end), shapes_(shapes) {}

  bool HasMember(PlainPlace at) const {
    constexpr auto kMost = static_cast<ptrdiff_t>(kPlainMemberBytesMax);
    return in_end_ - at.in >= kMost && to_end_ - at.to >= kMost;
  }

  PlainPlace String(PlainPlace at) const {
    uint8_t token = *at.in++;
    uint32_t length = token == 0xd9 ? *at.in++ : token & 0x1fu;
    *at.to++ = '"';
    if (length > kPlainStringBytesMax) return {};
    if (!CopyPlainShort(at.to, reinterpret_cast<const char*>(at.in), length)) return {};
    at.to[length] = '"';
    return {at.in + length, at.to + length + 1};
  }

  // A short string, a number, a boolean, nil, or an object of them with up to `kLevels` levels.
  template <int kLevels>
  PlainPlace Value(PlainPlace at) const {
    return IsPlainStringToken(*at.in) ? String(at) : NoString<kLevels>(at);
  }

 private:
  template <int kLevels>
  PlainPlace NoString(PlainPlace at) const {
    uint8_t token = *at.in++;
    if (token < 0x80) {
      if (shapes_ == nullptr || !shapes_->IsRecord(token)) return Number(at, token);
      if constexpr (kLevels > 0) {
        const MsgpackShape* shape = shapes_->PlainAt(token);
        if (shape != nullptr) return Object<kLevels - 1>(at, shapes_->KeysFrom(*shape, 0), shape->count);
      }
      return {};
    }
    if (token < 0x90) {
      if constexpr (kLevels > 0) return Object<kLevels - 1>(at, MapKeys(), token & 0x0fu);
      return {};
    }
    // msgpackr counts the members of any map in two bytes.
    if (token == 0xde) {
      if constexpr (kLevels > 0) {
        return Object<kLevels - 1>({at.in + 2, at.to}, MapKeys(), static_cast<uint32_t>(BigEndian(at.in, 2)));
      }
      return {};
    }
    return Other(at, token);
  }

  template <int kLevels, typename Keys>
  PlainPlace Object(PlainPlace at, Keys keys, uint32_t count) const {
    *at.to++ = '{';
    for (uint32_t i = 0; i < count; i++) {
      if (!HasMember(at)) return {};
      *at.to = ',';
      at.to += i > 0;
      at = keys.Write(at);
      if (!at.to) return {};
      at = Value<kLevels>(at);
      if (!at.to) return {};
    }
    *at.to++ = '}';
    return at;
  }

  static PlainPlace Other(PlainPlace at, uint8_t token) {
    switch (token) {
      case 0xc0:
        return Word(at, "null", 4);
      case 0xc2:
        return Word(at, "false", 5);
      case 0xc3:
        return Word(at, "true", 4);
      case 0xcb:
        return Double(at);
      case 0xcc:
        return Number({at.in + 1, at.to}, BigEndian(at.in, 1));
      case 0xcd:
        return Number({at.in + 2, at.to}, BigEndian(at.in, 2));
      case 0xce:
        return Number({at.in + 4, at.to}, BigEndian(at.in, 4));
      default:
        return {};
    }
  }

  static PlainPlace Word(PlainPlace at, const char* word, size_t length) {
    memcpy(at.to, word, length);
    return {at.in, at.to + length};
  }

  static PlainPlace Number(PlainPlace at, uint64_t value) {
    return {at.in, std::to_chars(at.to, at.to + 20, value).ptr};
  }

  static PlainPlace Double(PlainPlace at) {
    uint64_t bits = BigEndian(at.in, 8);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return {at.in + 8, WriteShortDecimal(at.to, value)};
  }

  const uint8_t* in_end_;
  char* to_end_;
  const MsgpackShapes* shapes_;
};

}  // namespace tributary
