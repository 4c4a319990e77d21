// The short way through msgpack: members that most objects consist of, written as JSON text with both
// cursors in registers and without a look at any length.
//
// Whoever calls has made sure of kPlainMemberBytesMax readable bytes of payload and as much room for text,
// a member each. What is anything but plain is left where it is, for the long way.
#pragma once
#include <cstdint>
#include <cstring>

#include "json_builder.h"
#include "msgpack_tokens.h"
#include "payload_walker.h"

namespace tributary {

// What one member has at most, of payload and of text.
constexpr size_t kPlainMemberBytesMax = 128;
constexpr size_t kPlainKeyBytesMax = 31;
constexpr uint32_t kPlainStringBytesMax = 64;

inline bool IsPlainStringToken(uint8_t token) { return (token & 0xe0) == 0xa0 || token == 0xd9; }

// Writes the short string at `in` to `to` and moves both behind it. False, with nothing moved, when it
// is longer or needs an escape.
inline bool PlainString(const uint8_t** in, char** to) {
  const uint8_t* at = *in;
  char* text = *to;
  uint8_t token = *at++;
  uint32_t length = token == 0xd9 ? *at++ : token & 0x1fu;
  *text++ = '"';
  if (length > kPlainStringBytesMax || !CopyPlain(text, at, length)) return false;
  text[length] = '"';
  *in = at + length;
  *to = text + length + 1;
  return true;
}

// The same of a short string, a small number, a boolean or nil; false for anything else.
inline bool PlainValue(const uint8_t** in, char** to, bool has_records) {
  char* text = *to;
  uint8_t token = **in;
  if (IsPlainStringToken(token)) return PlainString(in, to);
  if (token < kRecordIdMin || (token < 100 && !has_records)) {
    *text = static_cast<char>('0' + token / 10);
    text += token >= 10;
    *text++ = static_cast<char>('0' + token % 10);
  } else if (token == 0xc0 || token == 0xc3) {
    memcpy(text, token == 0xc0 ? "null" : "true", 4);
    text += 4;
  } else if (token == 0xc2) {
    memcpy(text, "false", 5);
    text += 5;
  } else {
    return false;
  }
  ++*in;
  *to = text;
  return true;
}

// The keys of a map, each before its value.
class MapKeys {
 public:
  // Writes the next key with its quotes and the colon, and moves both cursors behind it. False, with
  // nothing moved, when it is no short string.
  bool Write(const uint8_t** in, char** to) {
    const uint8_t* at = *in;
    if ((*at & 0xe0) != 0xa0) return false;
    uint32_t length = *at++ & 0x1fu;
    char* text = *to;
    *text++ = '"';
    if (!CopyPlain(text, at, length)) return false;
    text += length;
    memcpy(text, "\":", 2);
    *in = at + length;
    *to = text + 2;
    return true;
  }
};

struct RecordField {
  size_t offset, length;  // of the quoted key and its colon, in the text of all keys
  Slice key;              // in the payload
};

// The keys of a record, which were read and written once.
class RecordKeys {
 public:
  RecordKeys(const RecordField* field, const char* texts) : field_(field), texts_(texts) {}

  // As MapKeys, but that the payload has no key here.
  bool Write(const uint8_t**, char** to) {
    if (field_->length > kPlainKeyBytesMax + 3) return false;
    CopyShort(*to, texts_ + field_->offset, field_->length);
    *to += field_->length;
    field_++;
    return true;
  }

 private:
  const RecordField* field_;
  const char* texts_;
};

}  // namespace tributary
