#include "msgpack_shapes.h"

namespace tributary {

void MsgpackShapes::Begin() {
  keys_.Clear();
  fields_.clear();
  has_any_ = false;
  if (++generation_ == 0) {  // once in 2^32 payloads
    shapes_.clear();
    generation_ = 1;
  }
}

const char* MsgpackShapes::Define(uint32_t id_bytes, MsgpackReader* in, MsgpackShape* shape) {
  const uint8_t* id;
  if (id_bytes > 2) return "a record id has one or two bytes";
  if (!in->Take(id_bytes, &id)) return kMsgpackCutOff;
  if (id_bytes == 0) return "a record id has one or two bytes";
  uint32_t index = id[0] & kRecordIdMask;
  if (id_bytes == 2) {
    if (index < kSecondByteIdMin) return "a record id in two bytes starts too low";
    index += id[1] * kSecondByteStep;
  }
  uint32_t count;
  const char* wrong = ReadCount(in, &count);
  if (wrong != nullptr) return wrong;
  *shape = {generation_, static_cast<uint32_t>(fields_.size()), count,
            id_bytes == 2 && id[1] == 0};
  wrong = ReadFields(count, in);
  if (wrong != nullptr) return wrong;
  if (index >= shapes_.size()) shapes_.resize(index + 1);
  shapes_[index] = *shape;
  has_any_ = true;
  return nullptr;
}

// The header of the array of keys.
const char* MsgpackShapes::ReadCount(MsgpackReader* in, uint32_t* count) const {
  uint8_t token;
  if (!in->ReadByte(&token)) return kMsgpackCutOff;
  bool is_read = true;
  if (token >= 0x90 && token < 0xa0) *count = token & 0x0f;
  else if (token == 0xdc) is_read = in->ReadLength<uint16_t>(count);
  else if (token == 0xdd) is_read = in->ReadLength<uint32_t>(count);
  else return "the keys of a record are an array";
  return is_read && *count <= in->remaining() ? nullptr : kMsgpackCutOff;
}

const char* MsgpackShapes::ReadFields(uint32_t count, MsgpackReader* in) {
  for (uint32_t i = 0; i < count; i++) {
    if (in->remaining() > 0 && !IsStringToken(in->Peek())) return "a key of a record is not text";
    Slice key;
    if (!in->TakeString(&key)) return kMsgpackCutOff;
    size_t start = keys_.length();
    keys_.Key(true, key);
    fields_.push_back({start, keys_.length() - start, key});
  }
  return nullptr;
}

}  // namespace tributary
