#include "msgpack_transcoder.h"

#include <cstring>

namespace tributary {

namespace {

// msgpackr's record ids: 0x40 to 0x7f in one byte; the upper half of them may go on in a second byte,
// which counts in steps of 32.
constexpr uint8_t kRecordIdMin = 0x40;
constexpr uint32_t kRecordIdMask = 0x3f;
constexpr uint32_t kSecondByteIdMin = 32;
constexpr uint32_t kSecondByteStep = 32;
constexpr uint32_t kShapesMax = 64 + 255 * kSecondByteStep;

constexpr uint8_t kExtensionUndefined = 0x00;
constexpr uint8_t kExtensionRecord = 0x72;
constexpr uint8_t kExtensionTimestamp = 0xff;

bool IsStringToken(uint8_t token) {
  return (token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb);
}

// Numbers, booleans and nil: what may be the key of a map besides a string.
bool IsScalarToken(uint8_t token) {
  return token < 0x80 || token >= 0xe0 || token == 0xc0 || token == 0xc2 || token == 0xc3 ||
         (token >= 0xca && token <= 0xd3);
}

uint64_t BigEndian(const uint8_t* bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

}  // namespace

MsgpackTranscoder::MsgpackTranscoder(const MsgpackLimits& limits)
    : limits_(limits), shapes_(kShapesMax) {}

DecodeFailure MsgpackTranscoder::Transcode(const uint8_t* payload, uint32_t length) {
  in_ = MsgpackReader(payload, length);
  out_.Truncate(0);
  keys_.Truncate(0);
  fields_.clear();
  has_records_ = false;
  failure_ = DecodeFailure::kNone;
  if (++generation_ == 0) {  // once in 2^32 payloads
    shapes_.assign(kShapesMax, Shape{});
    generation_ = 1;
  }
  Outcome outcome = Value(0);
  if (outcome == Outcome::kUndefined) Fail("it holds no value");
  else if (outcome == Outcome::kText && in_.remaining() > 0) Fail("more follows behind its value");
  else if (outcome == Outcome::kText && out_.length() > limits_.text_bytes_max) {
    FailAs(DecodeFailure::kMsgpackTextTooLarge);
  }
  return failure_;
}

MsgpackTranscoder::Outcome MsgpackTranscoder::Value(uint32_t depth) {
  uint8_t token;
  if (!in_.ReadByte(&token)) return CutOff();
  if (out_.length() > limits_.text_bytes_max) return FailAs(DecodeFailure::kMsgpackTextTooLarge);
  if (token < 0x80) {
    if (has_records_ && token >= kRecordIdMin && IsDefined(token & kRecordIdMask)) {
      return RecordReference(token & kRecordIdMask, depth);
    }
    out_.Unsigned(token);
    return Outcome::kText;
  }
  if (token < 0x90) return Map(token & 0x0f, depth);
  if (token < 0xa0) return Array(token & 0x0f, depth);
  if (token < 0xc0) return String(token & 0x1f);
  if (token >= 0xe0) {
    out_.Signed(static_cast<int8_t>(token));
    return Outcome::kText;
  }
  uint32_t length;
  switch (token) {
    case 0xc0:
      out_.Append("null", 4);
      return Outcome::kText;
    case 0xc2:
      out_.Append("false", 5);
      return Outcome::kText;
    case 0xc3:
      out_.Append("true", 4);
      return Outcome::kText;
    case 0xc4:
      return Length<uint8_t>(&length) ? Binary(length) : CutOff();
    case 0xc5:
      return Length<uint16_t>(&length) ? Binary(length) : CutOff();
    case 0xc6:
      return Length<uint32_t>(&length) ? Binary(length) : CutOff();
    case 0xc7:
      return Length<uint8_t>(&length) ? Extension(length, depth) : CutOff();
    case 0xc8:
      return Length<uint16_t>(&length) ? Extension(length, depth) : CutOff();
    case 0xc9:
      return Length<uint32_t>(&length) ? Extension(length, depth) : CutOff();
    case 0xca:
      return Float<uint32_t, float>();
    case 0xcb:
      return Float<uint64_t, double>();
    case 0xcc:
      return Unsigned<uint8_t>();
    case 0xcd:
      return Unsigned<uint16_t>();
    case 0xce:
      return Unsigned<uint32_t>();
    case 0xcf:
      return Unsigned<uint64_t>();
    case 0xd0:
      return Signed<int8_t>();
    case 0xd1:
      return Signed<int16_t>();
    case 0xd2:
      return Signed<int32_t>();
    case 0xd3:
      return Signed<int64_t>();
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return Extension(1u << (token - 0xd4), depth);
    case 0xd9:
      return Length<uint8_t>(&length) ? String(length) : CutOff();
    case 0xda:
      return Length<uint16_t>(&length) ? String(length) : CutOff();
    case 0xdb:
      return Length<uint32_t>(&length) ? String(length) : CutOff();
    case 0xdc:
      return Length<uint16_t>(&length) ? Array(length, depth) : CutOff();
    case 0xdd:
      return Length<uint32_t>(&length) ? Array(length, depth) : CutOff();
    case 0xde:
      return Length<uint16_t>(&length) ? Map(length, depth) : CutOff();
    case 0xdf:
      return Length<uint32_t>(&length) ? Map(length, depth) : CutOff();
    default:  // 0xc1
      return Fail("0xc1 is no token");
  }
}

MsgpackTranscoder::Outcome MsgpackTranscoder::Map(uint32_t count, uint32_t depth) {
  if (depth >= limits_.depth_max) return FailAs(DecodeFailure::kTooDeep);
  if (count > in_.remaining() / 2) return CutOff();
  out_.Put('{');
  for (uint32_t i = 0; i < count; i++) {
    size_t start = out_.length();
    Separate('{');
    if (!Key(depth)) return Outcome::kFailed;
    Outcome value = Value(depth + 1);
    if (value == Outcome::kFailed) return value;
    if (value == Outcome::kUndefined) out_.Truncate(start);
  }
  out_.Put('}');
  return Outcome::kText;
}

MsgpackTranscoder::Outcome MsgpackTranscoder::Array(uint32_t count, uint32_t depth) {
  if (depth >= limits_.depth_max) return FailAs(DecodeFailure::kTooDeep);
  if (count > in_.remaining()) return CutOff();
  out_.Put('[');
  for (uint32_t i = 0; i < count; i++) {
    Separate('[');
    Outcome value = Value(depth + 1);
    if (value == Outcome::kFailed) return value;
    if (value == Outcome::kUndefined) out_.Append("null", 4);
  }
  out_.Put(']');
  return Outcome::kText;
}

// No value ends in an opening bracket, strings end in a quote: so one means that nothing is inside.
void MsgpackTranscoder::Separate(char opening) {
  if (out_.last() != opening) out_.Put(',');
}

MsgpackTranscoder::Outcome MsgpackTranscoder::String(uint32_t length) {
  const uint8_t* text;
  if (!in_.Take(length, &text)) return CutOff();
  if (length > limits_.text_bytes_max) return FailAs(DecodeFailure::kMsgpackTextTooLarge);
  out_.String(text, length);
  return Outcome::kText;
}

MsgpackTranscoder::Outcome MsgpackTranscoder::Binary(uint32_t length) {
  const uint8_t* bytes;
  if (!in_.Take(length, &bytes)) return CutOff();
  if (length > limits_.text_bytes_max) return FailAs(DecodeFailure::kMsgpackTextTooLarge);
  out_.Binary(bytes, length);
  return Outcome::kText;
}

bool MsgpackTranscoder::Key(uint32_t depth) {
  if (in_.remaining() == 0) return CutOff() == Outcome::kText;
  uint8_t token = in_.Peek();
  size_t start = out_.length();
  bool is_string = IsStringToken(token);
  if (is_string || IsScalarToken(token)) {
    if (Value(depth + 1) == Outcome::kFailed) return false;
    if (out_.data()[start] != '"') out_.Quote(start);
  }
  // Nothing was written, or a record: the quote went around its brace.
  if (out_.length() == start || (!is_string && out_.data()[start + 1] == '{')) {
    return Fail("a key is neither text nor a number") == Outcome::kText;
  }
  out_.Put(':');
  return true;
}

MsgpackTranscoder::Outcome MsgpackTranscoder::Extension(uint32_t length, uint32_t depth) {
  uint8_t type;
  if (!in_.ReadByte(&type)) return CutOff();
  if (type == kExtensionRecord) return RecordDefinition(length, depth);
  const uint8_t* bytes;
  if (!in_.Take(length, &bytes)) return CutOff();
  if (type == kExtensionUndefined) return Outcome::kUndefined;
  if (type == kExtensionTimestamp) return Timestamp(bytes, length);
  return Fail("an extension type that JSON has no value for");
}

// The arithmetic is that of doubles, as in msgpackr: a millisecond may be rounded up.
MsgpackTranscoder::Outcome MsgpackTranscoder::Timestamp(const uint8_t* bytes, uint32_t length) {
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
      out_.Append("null", 4);
      return Outcome::kText;
  }
  out_.Time(nanoseconds / 1e6 + seconds * 1000);
  return Outcome::kText;
}

// The definition of a shape: its id in the extension's one or two bytes, the array of its keys, and at
// once the values of the first record.
MsgpackTranscoder::Outcome MsgpackTranscoder::RecordDefinition(uint32_t length, uint32_t depth) {
  const uint8_t* id;
  if (length > 2) return Fail("a record id has one or two bytes");
  if (!in_.Take(length, &id)) return CutOff();
  if (length == 0) return Fail("a record id has one or two bytes");
  uint32_t index = id[0] & kRecordIdMask;
  if (length == 2) {
    if (index < kSecondByteIdMin) return Fail("a record id in two bytes starts too low");
    index += id[1] * kSecondByteStep;
  }
  uint32_t count;
  if (!ArrayHeader(&count)) return Outcome::kFailed;
  Shape shape{generation_, static_cast<uint32_t>(fields_.size()), count,
              length == 2 && id[1] == 0};
  size_t start = out_.length();
  for (uint32_t i = 0; i < count; i++) {
    if (!Key(depth)) return Outcome::kFailed;
    if (keys_.length() > limits_.text_bytes_max) {
      return FailAs(DecodeFailure::kMsgpackTextTooLarge);
    }
    fields_.push_back({static_cast<uint32_t>(keys_.length()),
                       static_cast<uint32_t>(out_.length() - start)});
    keys_.Append(out_.data() + start, out_.length() - start);
    out_.Truncate(start);
  }
  shapes_[index] = shape;
  has_records_ = true;
  return Record(shape, depth);
}

bool MsgpackTranscoder::ArrayHeader(uint32_t* count) {
  uint8_t token;
  if (!in_.ReadByte(&token)) return CutOff() == Outcome::kText;
  bool is_read = true;
  if (token >= 0x90 && token < 0xa0) *count = token & 0x0f;
  else if (token == 0xdc) is_read = Length<uint16_t>(count);
  else if (token == 0xdd) is_read = Length<uint32_t>(count);
  else return Fail("the keys of a record are an array") == Outcome::kText;
  if (!is_read || *count > in_.remaining()) return CutOff() == Outcome::kText;
  return true;
}

MsgpackTranscoder::Outcome MsgpackTranscoder::RecordReference(uint32_t id, uint32_t depth) {
  uint32_t index = id;
  if (shapes_[id].has_second_byte) {
    uint8_t second;
    if (!in_.ReadByte(&second)) return CutOff();
    index += second * kSecondByteStep;
    if (!IsDefined(index)) return Fail("a record id that was not defined");
  }
  return Record(shapes_[index], depth);
}

// By value: a record inside may define the same id anew.
MsgpackTranscoder::Outcome MsgpackTranscoder::Record(const Shape& defined, uint32_t depth) {
  const Shape shape = defined;
  if (depth >= limits_.depth_max) return FailAs(DecodeFailure::kTooDeep);
  if (shape.count > in_.remaining()) return CutOff();
  out_.Put('{');
  for (uint32_t i = 0; i < shape.count; i++) {
    size_t start = out_.length();
    Separate('{');
    const RecordField& field = fields_[shape.first + i];
    out_.Append(keys_.data() + field.offset, field.length);
    Outcome value = Value(depth + 1);
    if (value == Outcome::kFailed) return value;
    if (value == Outcome::kUndefined) out_.Truncate(start);
  }
  out_.Put('}');
  return Outcome::kText;
}

template <typename T>
MsgpackTranscoder::Outcome MsgpackTranscoder::Unsigned() {
  T value;
  if (!in_.ReadUnsigned(&value)) return CutOff();
  out_.Unsigned(value);
  return Outcome::kText;
}

template <typename T>
MsgpackTranscoder::Outcome MsgpackTranscoder::Signed() {
  T value;
  if (!in_.ReadUnsigned(&value)) return CutOff();
  out_.Signed(value);
  return Outcome::kText;
}

template <typename Bits, typename Number>
MsgpackTranscoder::Outcome MsgpackTranscoder::Float() {
  Bits bits;
  if (!in_.ReadUnsigned(&bits)) return CutOff();
  Number value;
  memcpy(&value, &bits, sizeof(value));
  out_.Double(value);
  return Outcome::kText;
}

template <typename T>
bool MsgpackTranscoder::Length(uint32_t* length) {
  T value;
  if (!in_.ReadUnsigned(&value)) return false;
  *length = value;
  return true;
}

MsgpackTranscoder::Outcome MsgpackTranscoder::Fail(const char* reason) {
  failure_text_ = std::string(reason) + ", at byte " + std::to_string(in_.position());
  return FailAs(DecodeFailure::kMsgpackMalformed);
}

MsgpackTranscoder::Outcome MsgpackTranscoder::FailAs(DecodeFailure failure) {
  failure_ = failure;
  return Outcome::kFailed;
}

}  // namespace tributary
