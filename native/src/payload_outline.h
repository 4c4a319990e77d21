// The tape, strings and structural indexes of a text that is being written as JSON, in simdjson's layout:
// what PayloadWalker needs to read events from it without parsing it.
//
// - Only values that somebody walks are outlined within; of another object or array the outline has the
//   brackets. So it grows with the members of events, not with what is in their properties.
// - Of numbers it says only that they are there: their digits are in the text.
//
// Offsets are bytes of the text.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "growing_array.h"
#include "msgpack_json_text.h"
#include "payload_walker.h"

namespace tributary {

class PayloadOutline {
 public:
  // Where the outline was, to take back a member.
  struct Mark {
    size_t tape, strings, structurals;
  };

  // Begins the outline of a text made from `source`, which outlives the outline's use.
  void Begin(const uint8_t* source, uint32_t length) {
    source_ = source;
    source_length_ = length;
    Rewind({0, 0, 0});
    Reserve();
    PutTape('r', 0);
  }
  // Makes room for a member with its comma, key and colon, or for an element or the end. Called before
  // each; Close() has room by itself.
  void Reserve() {
    tape_.Reserve(kTapeWordsMax);
    structurals_.Reserve(kStructuralsMax);
  }
  Mark Here() const { return {tape_.length(), strings_.length(), structurals_.length()}; }
  void Rewind(const Mark& mark) {
    tape_.SetLength(mark.tape);
    strings_.SetLength(mark.strings);
    structurals_.SetLength(mark.structurals);
  }

  // A colon, a comma, or the end of the text.
  void Punctuation(uint32_t offset) { PutStructural(offset); }
  void Literal(char type, uint32_t offset) {
    PutTape(type, 0);
    PutStructural(offset);
  }
  void Number(uint32_t offset) {
    PutTape('l', 0);
    PutTape(0, 0);  // where simdjson has the value
    PutStructural(offset);
  }
  // `text` is unescaped; 16 bytes behind it are read. Not copied where it stands in the source.
  void String(uint32_t offset, const Slice& text) {
    PutStructural(offset);
    if (PlaceOf(text) < source_length_ && text.length <= kStringInPlaceBytesMax) {
      return PutTape('"', InPlace(text));
    }
    PutTape('"', strings_.length());
    uint8_t* to = strings_.Reserve(sizeof(uint32_t) + text.length + kVectorBytes);
    memcpy(to, &text.length, sizeof(uint32_t));
    CopyShort(to + sizeof(uint32_t), text.data, text.length);
    strings_.SetLength(strings_.length() + sizeof(uint32_t) + text.length);
  }
  // A member that begins at `start` with its comma, unless it is the first, and whose value is at `value`;
  // both strings stand in the source.
  void StringMember(uint32_t start, bool is_first, const Slice& key, uint32_t value,
                    const Slice& text) {
    Reserve();
    if (!is_first) PutStructural(start++);
    PutTape('"', InPlace(key));
    PutStructural(start);
    PutStructural(value - 1);
    PutTape('"', InPlace(text));
    PutStructural(value);
  }
  // An object or array whose members follow. Returns what Close() takes.
  size_t Open(char bracket, uint32_t offset) {
    PutTape(bracket, 0);
    PutStructural(offset);
    return tape_.length() - 1;
  }
  void Close(size_t opened, char bracket, uint32_t count, uint32_t offset) {
    Reserve();
    PutTape(bracket, opened);
    PutStructural(offset);
    uint64_t behind = tape_.length();
    tape_.data()[opened] |= uint64_t{std::min(count, kCountMax)} << 32 | behind;
  }
  // An object or array of which nobody walks the members, from its opening to its closing bracket.
  void Whole(char bracket, uint32_t first, uint32_t last) {
    PutTape(bracket, tape_.length() + 1);
    PutStructural(first);
    PutStructural(last);
  }

  ParsedPayload Parsed(const char* text, uint32_t length) const {
    return {tape_.data(), strings_.data(), structurals_.data(), text, length,
            reinterpret_cast<const char*>(source_)};
  }

 private:
  static constexpr uint32_t kCountMax = 0xffffff;
  static constexpr size_t kTapeWordsMax = 3;     // a key and a number
  static constexpr size_t kStructuralsMax = 5;  // a comma, a key, a colon, and two brackets

  // Of what stands elsewhere it is beyond any length.
  size_t PlaceOf(const Slice& text) const {
    return reinterpret_cast<uintptr_t>(text.data) - reinterpret_cast<uintptr_t>(source_);
  }
  uint64_t InPlace(const Slice& text) const {
    return kStringInPlace | uint64_t{text.length} << 32 | PlaceOf(text);
  }
  void PutTape(char type, uint64_t value) {
    tape_.Put(uint64_t{static_cast<uint8_t>(type)} << 56 | value);
  }
  void PutStructural(uint32_t offset) {
    structurals_.Put(offset);
  }

  const uint8_t* source_ = nullptr;
  size_t source_length_ = 0;
  GrowingArray<uint64_t> tape_;
  GrowingArray<uint8_t> strings_;
  GrowingArray<uint32_t> structurals_;
};

}  // namespace tributary
