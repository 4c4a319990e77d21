// The records of one payload: which keys stand under which id. msgpackr defines them where it first uses them
// (extension 0x72: an id of one or two bytes, the array of the keys, and at once the values of the first record).
//
// - What one payload has defined is gone in the next.
// - A key is written as JSON text once, where it is defined, and copied from there for each record.
#pragma once
#include <cstdint>
#include <vector>

#include "json_builder.h"
#include "msgpack_reader.h"
#include "msgpack_tokens.h"
#include "slice.h"

namespace tributary {

// Where the short way is (msgpack_plain.h); no place: to is null.
struct PlainPlace {
  const uint8_t* in = nullptr;
  char* to = nullptr;
};

struct RecordField {
  size_t offset, length;  // of the quoted key and its colon, in the text of all keys
  Slice key;              // in the payload
};

// The keys of a record, which were read and written once.
class RecordKeys {
 public:
  RecordKeys(const RecordField* field, const char* texts) : field_(field), texts_(texts) {}

  // As MapKeys of msgpack_plain.h, but that the payload has no key here.
  PlainPlace Write(PlainPlace at) {
    if (field_->length > kTextBytesMax) return {};
    const char* text = texts_ + field_->offset;
    CopyBytes(at.to, text);
    CopyBytes(at.to + kVectorBytes, text + kVectorBytes);
    at.to += field_->length;
    field_++;
    return at;
  }

 private:
  // What is copied at once.
  static constexpr size_t kTextBytesMax = 2 * kVectorBytes;

  const RecordField* field_;
  const char* texts_;
};

// The keys of a record: `count` fields from `first`. Of the payload at hand when its generation is the current one.
struct MsgpackShape {
  uint32_t generation, first, count;
  bool has_second_byte;  // its id goes on in the byte behind
};

class MsgpackShapes {
 public:
  // Forgets what the payload before has defined.
  void Begin();
  // Whether the payload has defined any: without, all tokens below 0x80 are integers.
  bool any() const { return has_any_; }
  // Whether a key had to be escaped.
  bool has_escapes() const { return keys_.has_escapes(); }
  // Whether a token below 0x80 begins a record.
  bool IsRecord(uint8_t token) const {
    return has_any_ && token >= kRecordIdMin && IsDefined(token & kRecordIdMask);
  }
  // Reads a definition, whose id has `id_bytes`, up to its first value. Both return null, or what is wrong.
  const char* Define(uint32_t id_bytes, MsgpackReader* in, MsgpackShape* shape);
  // Reads what is left of the id that `token`, which IsRecord(), begins. Here, since a call costs what it does.
  const char* Find(uint8_t token, MsgpackReader* in, MsgpackShape* shape) const {
    uint32_t index = token & kRecordIdMask;
    if (shapes_[index].has_second_byte) {
      uint8_t second;
      if (!in->ReadByte(&second)) return kMsgpackCutOff;
      index += second * kSecondByteStep;
      if (!IsDefined(index)) return "a record id that was not defined";
    }
    *shape = shapes_[index];
    return nullptr;
  }

  // The record that IsRecord() says of `token`, unless its id goes on in another byte: null.
  const MsgpackShape* PlainAt(uint8_t token) const {
    const MsgpackShape& shape = shapes_[token & kRecordIdMask];
    return shape.has_second_byte ? nullptr : &shape;
  }

  const RecordField& FieldOf(const MsgpackShape& shape, uint32_t index) const {
    return fields_[shape.first + index];
  }
  // The quoted key of a field and its colon.
  const char* TextOf(const RecordField& field) const { return keys_.data() + field.offset; }
  // The keys from `index` on; valid until the next definition.
  RecordKeys KeysFrom(const MsgpackShape& shape, uint32_t index) const {
    return {fields_.data() + shape.first + index, keys_.data()};
  }

 private:
  bool IsDefined(uint32_t index) const {
    return index < shapes_.size() && shapes_[index].generation == generation_;
  }
  const char* ReadCount(MsgpackReader* in, uint32_t* count) const;
  const char* ReadFields(uint32_t count, MsgpackReader* in);

  std::vector<MsgpackShape> shapes_;  // by id
  uint32_t generation_ = 0;           // of payloads
  bool has_any_ = false;
  std::vector<RecordField> fields_;
  JsonBuilder keys_;
};

}  // namespace tributary
