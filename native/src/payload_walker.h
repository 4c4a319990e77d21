// A parsed payload, and the walk over it.
//
// simdjson's DOM parse validates the whole payload and leaves two parallel sequences: the tape (values,
// strings unescaped) and the structural indexes (where each token starts in the text). Walking both in
// step gives unescaped strings and, for objects we keep as JSON text, the raw slice, in one pass and
// without re-serialising. Msgpack is written as text together with the same sequences
// (payload_outline.h), so that what reads events does not know which of the two it was.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tributary {

// A string that lives in the payload or in the strings beside the tape; data is null when absent.
struct Slice {
  const char* data = nullptr;
  uint32_t length = 0;
  bool present() const { return data != nullptr; }
};

// What a parse leaves, in simdjson's layout (its doc/tape.md). Of an object or array that nobody walks,
// only the brackets need to be there.
struct ParsedPayload {
  const uint64_t* tape;
  const uint8_t* strings;       // u32 length and bytes of each string the tape points to
  const uint32_t* structurals;  // offsets in the text of brackets, colons, commas and scalars
  const char* text;
  uint32_t length;
  const char* source = nullptr;  // what StringInPlace words of the tape point into
};

// A word of the tape that simdjson never writes: a string that stands unescaped in the source of the
// text. The offset is in the low 32 bits, the length in the 23 above, and this bit tells it apart.
constexpr uint64_t kStringInPlace = 1ull << 55;
constexpr uint32_t kStringInPlaceBytesMax = (1u << 23) - 1;

// Where the walk is: an index into the tape and the index of the same token among the structurals.
struct Position {
  uint64_t tape;
  uint32_t structural;
};

class PayloadWalker {
 public:
  explicit PayloadWalker(const ParsedPayload& payload)
      : tape_(payload.tape),
        strings_(payload.strings),
        structurals_(payload.structurals),
        payload_(payload.text),
        source_(payload.source) {}

  Position root() const { return {1, 0}; }
  char type_at(Position at) const { return static_cast<char>(tape_[at.tape] >> 56); }
  // Elements of the array at `at`.
  uint32_t count_at(Position at) const { return (tape_[at.tape] >> 32) & 0xffffff; }
  Slice string_at(uint64_t tape) const {
    uint64_t word = tape_[tape];
    if (word & kStringInPlace) {
      return {source_ + static_cast<uint32_t>(word),
              static_cast<uint32_t>(word >> 32) & kStringInPlaceBytesMax};
    }
    const uint8_t* at = strings_ + (word & 0x00ffffffffffffffull);
    uint32_t length;
    memcpy(&length, at, sizeof(length));
    return {reinterpret_cast<const char*>(at + sizeof(length)), length};
  }
  uint32_t offset_of(uint32_t structural) const { return structurals_[structural]; }
  // The text from `at` up to the token `after`, without trailing white space.
  Slice RawBetween(uint32_t structural, uint32_t after) const;
  // The position behind the value at `at`: on the `,` or the closing bracket.
  Position Skip(Position at) const;

  // The tape's index behind the value at `tape`, for walks that need no text.
  uint64_t BehindOnTape(uint64_t tape) const;

  // Calls visit(key, key_structural, value) for each member of the object at `at`; `visit` returns the
  // position behind the value (Skip, or its own walk). Returns the position behind the object.
  template <typename Visit>
  Position EachMember(Position at, Visit visit) const {
    uint64_t tape = at.tape + 1;
    uint32_t structural = at.structural + 1;
    while (static_cast<char>(tape_[tape] >> 56) != '}') {
      Slice key = string_at(tape);
      Position behind = visit(key, structural, Position{tape + 1, structural + 2});
      tape = behind.tape;
      structural = behind.structural;
      if (payload_[structurals_[structural]] == ',') structural++;
    }
    return {tape + 1, structural + 1};
  }

  // Calls visit(element) for each element of the array at `at`; as EachMember otherwise.
  template <typename Visit>
  Position EachElement(Position at, Visit visit) const {
    uint64_t tape = at.tape + 1;
    uint32_t structural = at.structural + 1;
    while (static_cast<char>(tape_[tape] >> 56) != ']') {
      Position behind = visit(Position{tape, structural});
      tape = behind.tape;
      structural = behind.structural;
      if (payload_[structurals_[structural]] == ',') structural++;
    }
    return {tape + 1, structural + 1};
  }

 private:
  const uint64_t* tape_;
  const uint8_t* strings_;
  const uint32_t* structurals_;
  const char* payload_;
  const char* source_;
};

}  // namespace tributary
