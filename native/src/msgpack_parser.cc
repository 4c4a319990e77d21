#include "msgpack_parser.h"

#include "msgpack_scalars.h"
#include "msgpack_tokens.h"
#include "msgpack_walk.h"
#include "simdjson.h"

namespace tributary {

namespace {

constexpr uint8_t kExtensionUndefined = 0x00;
constexpr uint8_t kExtensionTimestamp = 0xff;

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
  out_.Clear();
  outline_.Begin();
  shapes_.Begin();
  failure_ = DecodeFailure::kNone;
  failure_text_.clear();
  Outcome outcome = OutlinedValue(0, WalkedAt(0, false, false));
  outline_.Reserve();
  outline_.Put(TextLength());
  if (outcome == Outcome::kUndefined) Fail("it holds no value");
  else if (outcome == Outcome::kText && in_.remaining() > 0) Fail("more follows behind its value");
  else if (outcome == Outcome::kText && out_.length() > limits_.text_bytes_max) {
    FailAs(DecodeFailure::kMsgpackTextTooLarge);
  }
}

MsgpackParser::Outcome MsgpackParser::Value(uint32_t depth, char walked) {
  if (in_.remaining() == 0) return CutOff();
  if (depth >= limits_.depth_max) return FailAs(DecodeFailure::kTooDeep);
  if (out_.length() > limits_.text_bytes_max) return FailAs(DecodeFailure::kMsgpackTextTooLarge);
  if (IsStringToken(in_.Peek())) return String();
  uint8_t token;
  in_.ReadByte(&token);
  if (token < 0x80) {
    if (shapes_.IsRecord(token)) return RecordReference(token, depth, walked == '{');
    out_.Unsigned(token);
    return Outcome::kText;
  }
  if (token < 0x90) return Map(token & 0x0f, depth, walked == '{');
  if (token < 0xa0) return Array(token & 0x0f, depth, walked == '[');
  if (token >= 0xe0) {
    out_.Signed(static_cast<int8_t>(token));
    return Outcome::kText;
  }
  if (IsNumberToken(token)) return Number(token);
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
      return in_.ReadLength<uint8_t>(&length) ? Binary(length) : CutOff();
    case 0xc5:
      return in_.ReadLength<uint16_t>(&length) ? Binary(length) : CutOff();
    case 0xc6:
      return in_.ReadLength<uint32_t>(&length) ? Binary(length) : CutOff();
    case 0xc7:
      return in_.ReadLength<uint8_t>(&length) ? Extension(length, depth, walked == '{') : CutOff();
    case 0xc8:
      return in_.ReadLength<uint16_t>(&length) ? Extension(length, depth, walked == '{') : CutOff();
    case 0xc9:
      return in_.ReadLength<uint32_t>(&length) ? Extension(length, depth, walked == '{') : CutOff();
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return Extension(1u << (token - 0xd4), depth, walked == '{');
    case 0xdc:
      return in_.ReadLength<uint16_t>(&length) ? Array(length, depth, walked == '[') : CutOff();
    case 0xdd:
      return in_.ReadLength<uint32_t>(&length) ? Array(length, depth, walked == '[') : CutOff();
    case 0xde:
      return in_.ReadLength<uint16_t>(&length) ? Map(length, depth, walked == '{') : CutOff();
    case 0xdf:
      return in_.ReadLength<uint32_t>(&length) ? Map(length, depth, walked == '{') : CutOff();
    default:  // 0xc1
      return Fail("0xc1 is no token");
  }
}

MsgpackParser::Outcome MsgpackParser::String() {
  if (!TakeString()) return Outcome::kFailed;
  out_.String(string_);
  return Outcome::kText;
}

MsgpackParser::Outcome MsgpackParser::Number(uint8_t token) {
  DecodeFailure failure = WriteNumber(token, &in_, &out_);
  if (failure == DecodeFailure::kNone) return Outcome::kText;
  return failure == DecodeFailure::kMsgpackMalformed ? CutOff() : FailAs(failure);
}

MsgpackParser::Outcome MsgpackParser::Binary(uint32_t length) {
  const uint8_t* bytes;
  if (!in_.Take(length, &bytes)) return CutOff();
  if (length > limits_.text_bytes_max) return FailAs(DecodeFailure::kMsgpackTextTooLarge);
  out_.Binary(bytes, length);
  return Outcome::kText;
}

MsgpackParser::Outcome MsgpackParser::Extension(uint32_t length, uint32_t depth, bool is_walked) {
  uint8_t type;
  if (!in_.ReadByte(&type)) return CutOff();
  if (type == kRecordExtension) return RecordDefinition(length, depth, is_walked);
  const uint8_t* bytes;
  if (!in_.Take(length, &bytes)) return CutOff();
  if (type == kExtensionUndefined) return Outcome::kUndefined;
  if (type == kExtensionTimestamp) {
    WriteTimestamp(bytes, length, &out_);
    return Outcome::kText;
  }
  return Fail("an extension type that JSON has no value for");
}

MsgpackParser::Outcome MsgpackParser::RecordDefinition(uint32_t id_bytes, uint32_t depth,
                                                       bool is_walked) {
  MsgpackShape shape;
  const char* wrong = shapes_.Define(id_bytes, &in_, &shape);
  return wrong == nullptr ? Record(shape, depth, is_walked) : Fail(wrong);
}

MsgpackParser::Outcome MsgpackParser::RecordReference(uint8_t token, uint32_t depth,
                                                      bool is_walked) {
  MsgpackShape shape;
  const char* wrong = shapes_.Find(token, &in_, &shape);
  return wrong == nullptr ? Record(shape, depth, is_walked) : Fail(wrong);
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
