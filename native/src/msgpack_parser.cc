#include "msgpack_parser.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "msgpack_tokens.h"
#include "simdjson.h"

namespace tributary {

namespace {

// Doubles from here on are written with an exponent, as ECMA-262 has it.
constexpr double kExponentFrom = 1e21;
constexpr double kUint64End = 0x1p64;
constexpr double kInt64Min = -0x1p63;

constexpr uint8_t kExtensionUndefined = 0x00;
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

// The bracket that opens what the event decoder walks at this depth: the root, its batch, an event, and
// the objects that events inherit from their batch and, where it has any, merge with it. 0 for none.
char WalkedAt(uint32_t depth, bool is_inherited, bool has_inheritance) {
  switch (depth) {
    case 0:
    case 2:
      return '{';
    case 1:
      return is_inherited ? '{' : '[';
    case 3:
      return is_inherited && has_inheritance ? '{' : 0;
    default:
      return 0;
  }
}

// Plain members are written so many at a time: what is reserved for their text.
constexpr uint32_t kPlainMembersMax = 32;

bool IsInherited(const Slice& key) {
  return (key.length == 7 && memcmp(key.data, "context", 7) == 0) ||
         (key.length == 12 && memcmp(key.data, "integrations", 12) == 0);
}

bool IsBatch(const Slice& key) {
  return key.length == 5 && memcmp(key.data, "batch", 5) == 0;
}

}  // namespace

DecodeFailure MsgpackParser::Parse(const uint8_t* payload, uint32_t length, bool is_inherited) {
  has_batch_ = false;
  has_inheritance_ = is_inherited;
  Read(payload, length);
  // Whether a batch has something to inherit may stand behind its events. Few have.
  bool is_told_late = has_batch_ && has_inheritance_ && !is_inherited;
  if (failure_ == DecodeFailure::kNone && is_told_late) Read(payload, length);
  // No invalid sequence reaches over the quotes around it: the text is valid where each string is.
  if (failure_ == DecodeFailure::kNone && !simdjson::validate_utf8(out_.data(), out_.length())) {
    FailAs(DecodeFailure::kInvalidUtf8);
  }
  return failure_;
}

void MsgpackParser::Read(const uint8_t* payload, uint32_t length) {
  in_ = MsgpackReader(payload, length);
  out_.Truncate(0);
  outline_.Begin();
  keys_.Truncate(0);
  fields_.clear();
  has_records_ = false;
  failure_ = DecodeFailure::kNone;
  failure_text_.clear();
  if (++generation_ == 0) {  // once in 2^32 payloads
    shapes_.clear();
    generation_ = 1;
  }
  Outcome outcome = OutlinedValue(0, WalkedAt(0, false, false));
  outline_.Reserve();
  outline_.Put(TextLength());
  if (outcome == Outcome::kUndefined) Fail("it holds no value");
  else if (outcome == Outcome::kText && in_.remaining() > 0) Fail("more follows behind its value");
  else if (outcome == Outcome::kText && out_.length() > limits_.text_bytes_max) {
    FailAs(DecodeFailure::kMsgpackTextTooLarge);
  }
}

MsgpackParser::Outcome MsgpackParser::OutlinedValue(uint32_t depth, char walked) {
  uint32_t start = TextLength();
  if (OutlinedString(depth, start)) return Outcome::kText;
  Outcome outcome = Value(depth, walked);
  if (outcome != Outcome::kText) return outcome;
  char first = out_.data()[start];
  if (first != '{' && first != '[') outline_.Put(start);
  else if (first != walked) outline_.Whole(start, TextLength() - 1);
  return outcome;
}

// The short way for a short string, where no length needs a look.
inline bool MsgpackParser::OutlinedString(uint32_t depth, uint32_t start) {
  if (in_.remaining() < kPlainMemberBytesMax || depth >= limits_.depth_max) return false;
  const uint8_t* in = in_.at();
  if (!IsStringToken(*in)) return false;
  char* to = out_.Reserve(kPlainMemberBytesMax);
  if (!PlainValue(&in, &to, true)) return false;
  in_.Advance(static_cast<size_t>(in - in_.at()));
  out_.Finish(to);
  outline_.Put(start);
  return true;
}

MsgpackParser::Outcome MsgpackParser::Value(uint32_t depth, char walked) {
  if (in_.remaining() == 0) return CutOff();
  if (depth >= limits_.depth_max) return FailAs(DecodeFailure::kTooDeep);
  if (out_.length() > limits_.text_bytes_max) return FailAs(DecodeFailure::kMsgpackTextTooLarge);
  if (IsStringToken(in_.Peek())) return String();
  uint8_t token;
  in_.ReadByte(&token);
  if (token < 0x80) {
    if (has_records_ && token >= kRecordIdMin && IsDefined(token & kRecordIdMask)) {
      return RecordReference(token & kRecordIdMask, depth, walked == '{');
    }
    out_.Unsigned(token);
    return Outcome::kText;
  }
  if (token < 0x90) return Map(token & 0x0f, depth, walked == '{');
  if (token < 0xa0) return Array(token & 0x0f, depth, walked == '[');
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
      return Length<uint8_t>(&length) ? Extension(length, depth, walked == '{') : CutOff();
    case 0xc8:
      return Length<uint16_t>(&length) ? Extension(length, depth, walked == '{') : CutOff();
    case 0xc9:
      return Length<uint32_t>(&length) ? Extension(length, depth, walked == '{') : CutOff();
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
      return Extension(1u << (token - 0xd4), depth, walked == '{');
    case 0xdc:
      return Length<uint16_t>(&length) ? Array(length, depth, walked == '[') : CutOff();
    case 0xdd:
      return Length<uint32_t>(&length) ? Array(length, depth, walked == '[') : CutOff();
    case 0xde:
      return Length<uint16_t>(&length) ? Map(length, depth, walked == '{') : CutOff();
    case 0xdf:
      return Length<uint32_t>(&length) ? Map(length, depth, walked == '{') : CutOff();
    default:  // 0xc1
      return Fail("0xc1 is no token");
  }
}

MsgpackParser::Outcome MsgpackParser::Map(uint32_t count, uint32_t depth, bool is_walked) {
  if (count > in_.remaining() / 2) return CutOff();
  size_t opened = Open('{', is_walked);
  bool is_first = true;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t plain = is_walked ? PlainMembers<true>(MapKeys(), count - i, is_first, depth)
                               : PlainMembers<false>(MapKeys(), count - i, is_first, depth);
    i += plain;
    is_first = is_first && plain == 0;
    if (i == count) break;
    size_t start = out_.length();
    if (!Key(is_first, depth)) return Outcome::kFailed;
    Outcome value = Member(start, is_first, depth, is_walked);
    if (value == Outcome::kFailed) return value;
    is_first = is_first && value == Outcome::kUndefined;
  }
  return Close('}', is_walked, opened, count);
}

// The short way for what most objects consist of. Ends before the first member that is anything else, and
// near the end of the payload, so that no length needs a look. Of an object that is walked it takes strings
// only, and nothing at the root, where keys have a meaning to this parser.
template <bool kIsWalked, typename Keys>
uint32_t MsgpackParser::PlainMembers(Keys keys, uint32_t count, bool is_first, uint32_t depth) {
  if ((kIsWalked && depth == 0) || depth + 1 >= limits_.depth_max) return 0;
  count = std::min(count, kPlainMembersMax);
  const uint8_t* in = in_.at();
  const uint8_t* end = in + in_.remaining();
  const bool has_records = has_records_;
  char* out = out_.Reserve(count * kPlainMemberBytesMax);
  uint32_t done = 0;
  for (; done < count && end - in >= static_cast<ptrdiff_t>(kPlainMemberBytesMax); done++) {
    const uint8_t* at = in;
    char* to = out;
    *to = ',';
    to += !is_first;
    if (!keys.Write(&at, &to)) break;
    if (kIsWalked) {
      char* value = to;
      if (!IsPlainStringToken(*at) || !PlainString(&at, &to)) break;
      outline_.ScalarMember(static_cast<uint32_t>(out - out_.data()), is_first,
                            static_cast<uint32_t>(value - out_.data()));
    } else if (!PlainValue(&at, &to, has_records)) {
      break;
    }
    in = at;
    out = to;
    is_first = false;
  }
  in_.Advance(static_cast<size_t>(in - in_.at()));
  out_.Finish(out);
  return done;
}

MsgpackParser::Outcome MsgpackParser::Array(uint32_t count, uint32_t depth, bool is_walked) {
  if (count > in_.remaining()) return CutOff();
  size_t opened = Open('[', is_walked);
  for (uint32_t i = 0; i < count; i++) {
    if (is_walked) outline_.Reserve();
    if (i > 0) {
      if (is_walked) outline_.Put(TextLength());
      out_.Put(',');
    }
    Outcome value = is_walked ? OutlinedValue(depth + 1, WalkedAt(depth + 1, false, false))
                              : Value(depth + 1, 0);
    if (value == Outcome::kFailed) return value;
    if (value == Outcome::kUndefined) {
      if (is_walked) outline_.Put(TextLength());
      out_.Append("null", 4);
    }
  }
  return Close(']', is_walked, opened, count);
}

size_t MsgpackParser::Open(char bracket, bool is_walked) {
  size_t opened = is_walked ? outline_.Open(TextLength()) : 0;
  out_.Put(bracket);
  return opened;
}

MsgpackParser::Outcome MsgpackParser::Close(char bracket, bool is_walked, size_t opened,
                                            uint32_t count) {
  if (is_walked) outline_.Close(opened, count, TextLength());
  out_.Put(bracket);
  return Outcome::kText;
}

MsgpackParser::Outcome MsgpackParser::Member(size_t start, bool is_first, uint32_t depth,
                                             bool is_walked) {
  if (!is_walked) {
    Outcome value = Value(depth + 1, 0);
    if (value == Outcome::kUndefined) out_.Truncate(start);
    return value;
  }
  size_t mark = outline_.Here();
  outline_.Reserve();
  uint32_t offset = static_cast<uint32_t>(start);
  if (!is_first) outline_.Put(offset++);
  outline_.Put(offset);
  outline_.Put(TextLength() - 1);
  bool is_inherited = IsInherited(string_);
  if (depth == 0) {
    has_batch_ = has_batch_ || IsBatch(string_);
    has_inheritance_ = has_inheritance_ || is_inherited;
  }
  Outcome value = OutlinedValue(depth + 1, WalkedAt(depth + 1, is_inherited, has_inheritance_));
  if (value == Outcome::kUndefined) {
    out_.Truncate(start);
    outline_.Rewind(mark);
  }
  return value;
}

MsgpackParser::Outcome MsgpackParser::String() {
  if (!TakeString()) return Outcome::kFailed;
  out_.String(reinterpret_cast<const uint8_t*>(string_.data), string_.length);
  return Outcome::kText;
}

MsgpackParser::Outcome MsgpackParser::Binary(uint32_t length) {
  const uint8_t* bytes;
  if (!in_.Take(length, &bytes)) return CutOff();
  if (length > limits_.text_bytes_max) return FailAs(DecodeFailure::kMsgpackTextTooLarge);
  out_.Binary(bytes, length);
  return Outcome::kText;
}

bool MsgpackParser::Key(bool is_first, uint32_t depth) {
  if (in_.remaining() == 0) return CutOff() == Outcome::kText;
  uint8_t token = in_.Peek();
  if (!IsStringToken(token)) return ScalarKey(is_first, depth);
  if (!TakeString()) return false;
  out_.Key(is_first, reinterpret_cast<const uint8_t*>(string_.data), string_.length);
  return true;
}

// A number, a boolean or nil as a key: its text in quotes.
bool MsgpackParser::ScalarKey(bool is_first, uint32_t depth) {
  if (!is_first) out_.Put(',');
  size_t start = out_.length();
  if (IsScalarToken(in_.Peek())) {
    if (Value(depth + 1, 0) == Outcome::kFailed) return false;
    if (out_.data()[start] != '"') out_.Quote(start);
  }
  // Nothing was written, or a record: the quote went around its brace.
  if (out_.length() == start || out_.data()[start + 1] == '{') {
    return Fail("a key is neither text nor a number") == Outcome::kText;
  }
  uint32_t length = static_cast<uint32_t>(out_.length() - start - 2);
  out_.Put(':');
  string_ = {out_.data() + start + 1, length};
  return true;
}

MsgpackParser::Outcome MsgpackParser::Extension(uint32_t length, uint32_t depth, bool is_walked) {
  uint8_t type;
  if (!in_.ReadByte(&type)) return CutOff();
  if (type == kRecordExtension) return RecordDefinition(length, depth, is_walked);
  const uint8_t* bytes;
  if (!in_.Take(length, &bytes)) return CutOff();
  if (type == kExtensionUndefined) return Outcome::kUndefined;
  if (type == kExtensionTimestamp) return Timestamp(bytes, length);
  return Fail("an extension type that JSON has no value for");
}

// The arithmetic is that of doubles, as in msgpackr: a millisecond may be rounded up.
MsgpackParser::Outcome MsgpackParser::Timestamp(const uint8_t* bytes, uint32_t length) {
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
MsgpackParser::Outcome MsgpackParser::RecordDefinition(uint32_t length, uint32_t depth,
                                                       bool is_walked) {
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
  if (!RecordFields(count)) return Outcome::kFailed;
  if (index >= shapes_.size()) shapes_.resize(index + 1);
  shapes_[index] = shape;
  has_records_ = true;
  return Record(shape, depth, is_walked);
}

// Reads the keys of a definition; written as text they wait in keys_.
bool MsgpackParser::RecordFields(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (in_.remaining() > 0 && !IsStringToken(in_.Peek())) {
      return Fail("a key of a record is not text") == Outcome::kText;
    }
    if (!TakeString()) return false;
    size_t start = keys_.length();
    keys_.Key(true, reinterpret_cast<const uint8_t*>(string_.data), string_.length);
    fields_.push_back({start, keys_.length() - start, string_});
  }
  return true;
}

bool MsgpackParser::ArrayHeader(uint32_t* count) {
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

MsgpackParser::Outcome MsgpackParser::RecordReference(uint32_t id, uint32_t depth,
                                                      bool is_walked) {
  uint32_t index = id;
  if (shapes_[id].has_second_byte) {
    uint8_t second;
    if (!in_.ReadByte(&second)) return CutOff();
    index += second * kSecondByteStep;
    if (!IsDefined(index)) return Fail("a record id that was not defined");
  }
  return Record(shapes_[index], depth, is_walked);
}

// By value: a record inside may define the same id anew.
MsgpackParser::Outcome MsgpackParser::Record(const Shape& defined, uint32_t depth, bool is_walked) {
  const Shape shape = defined;
  if (shape.count > in_.remaining()) return CutOff();
  size_t opened = Open('{', is_walked);
  bool is_first = true;
  for (uint32_t i = 0; i < shape.count; i++) {
    uint32_t left = shape.count - i;
    RecordKeys keys(fields_.data() + shape.first + i, keys_.data());
    uint32_t plain = is_walked ? PlainMembers<true>(keys, left, is_first, depth)
                               : PlainMembers<false>(keys, left, is_first, depth);
    i += plain;
    is_first = is_first && plain == 0;
    if (i == shape.count) break;
    size_t start = out_.length();
    const RecordField& field = fields_[shape.first + i];
    out_.QuotedKey(is_first, keys_.data() + field.offset, field.length);
    string_ = field.key;
    Outcome value = Member(start, is_first, depth, is_walked);
    if (value == Outcome::kFailed) return value;
    is_first = is_first && value == Outcome::kUndefined;
  }
  return Close('}', is_walked, opened, shape.count);
}

template <typename T>
MsgpackParser::Outcome MsgpackParser::Unsigned() {
  T value;
  if (!in_.ReadUnsigned(&value)) return CutOff();
  out_.Unsigned(value);
  return Outcome::kText;
}

template <typename T>
MsgpackParser::Outcome MsgpackParser::Signed() {
  T value;
  if (!in_.ReadUnsigned(&value)) return CutOff();
  out_.Signed(value);
  return Outcome::kText;
}

template <typename Bits, typename Number>
MsgpackParser::Outcome MsgpackParser::Float() {
  Bits bits;
  if (!in_.ReadUnsigned(&bits)) return CutOff();
  Number value;
  memcpy(&value, &bits, sizeof(value));
  // Written without an exponent, but no integer of 64 bits: JSON's reader refuses it.
  if (std::fabs(value) < kExponentFrom && (value >= kUint64End || value <= kInt64Min)) {
    return FailAs(DecodeFailure::kNumberOutOfRange);
  }
  out_.Double(value);
  return Outcome::kText;
}

template <typename T>
bool MsgpackParser::Length(uint32_t* length) {
  T value;
  if (!in_.ReadUnsigned(&value)) return false;
  *length = value;
  return true;
}

MsgpackParser::Outcome MsgpackParser::Fail(const char* reason) {
  failure_text_ = std::string(reason) + ", at byte " + std::to_string(in_.position());
  return FailAs(DecodeFailure::kMsgpackMalformed);
}

MsgpackParser::Outcome MsgpackParser::FailAs(DecodeFailure failure) {
  failure_ = failure;
  return Outcome::kFailed;
}

}  // namespace tributary
