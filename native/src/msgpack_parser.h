// One msgpack payload as the JSON text it stands for, with the outline that the event decoder walks, in
// one pass.
//
// Why text: the rows of both formats then come from one decoder, with one set of rules, and what a
// client sent in msgpack reads back like anybody's JSON. Why the outline: so that the text is never
// parsed. docs/formats.md says what becomes of each type.
//
// msgpack_parser.cc has the values one by one, msgpack_containers.cc the walk through those that hold others;
// msgpack_scalars.h has numbers and times, msgpack_shapes.h msgpackr's records, msgpack_plain.h the short way.
//
// - The bytes are not trusted: every length is held against what is left, nesting and text are bounded.
//   A record's keys are written again for each of its bytes, so only the bound on the text keeps a
//   small payload from becoming a large one.
// - Same bytes, same text: a replay of the log stages the same rows.
//
// No thread of its own and no shared state: one parser serves one thread at a time.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

#include "decode_failure.h"
#include "json_builder.h"
#include "msgpack_plain.h"
#include "msgpack_reader.h"
#include "msgpack_shapes.h"
#include "payload_outline.h"
#include "payload_walker.h"

namespace tributary {

struct MsgpackLimits {
  uint32_t depth_max;       // levels of values, the innermost included
  uint32_t text_bytes_max;  // of JSON
};

class MsgpackParser {
 public:
  explicit MsgpackParser(const MsgpackLimits& limits) : limits_(limits) {}

  // Reads the `length` bytes of one value, with SIMDJSON_PADDING readable bytes behind them. After
  // kNone, parsed() is valid until the next call. Else kMsgpackMalformed (failure_text() says why),
  // kInvalidUtf8, kNumberOutOfRange, kTooDeep or kMsgpackTextTooLarge.
  // `is_inherited`: events inherit something that the payload does not say.
  DecodeFailure Parse(const uint8_t* payload, uint32_t length, bool is_inherited = false);
  ParsedPayload parsed() {
    bool has_escapes = out_.has_escapes() || shapes_.has_escapes();
    unescaped_.Clear();
    return {outline_.tokens(), outline_.partners(), out_.data(), TextLength(),
            has_escapes ? &unescaped_ : nullptr};
  }
  const std::string& failure_text() const { return failure_text_; }

 private:
  // What reading a value came to: text, a value JSON has no text for, or a failure.
  enum class Outcome { kText, kUndefined, kFailed };

  // Reads the payload into out_ and outline_, or sets failure_.
  void Read(const uint8_t* payload, uint32_t length);
  // Writes the next value as text. An object or array that opens with `walked` is outlined within.
  Outcome Value(uint32_t depth, char walked);
  // Writes and outlines the next value.
  Outcome OutlinedValue(uint32_t depth, char walked);
  bool OutlinedString(uint32_t depth, uint32_t start);
  Outcome Map(uint32_t count, uint32_t depth, bool is_walked);
  Outcome Array(uint32_t count, uint32_t depth, bool is_walked);
  Outcome String();
  Outcome Number(uint8_t token);
  Outcome Binary(uint32_t length);
  Outcome Extension(uint32_t length, uint32_t depth, bool is_walked);
  Outcome RecordDefinition(uint32_t id_bytes, uint32_t depth, bool is_walked);
  Outcome RecordReference(uint8_t token, uint32_t depth, bool is_walked);
  Outcome Record(MsgpackShape shape, uint32_t depth, bool is_walked);

  size_t Open(char bracket, bool is_walked);
  Outcome Close(char bracket, bool is_walked, size_t opened, uint32_t count);
  // A key and its colon, behind a comma unless it is the first; string_ is what the key says.
  bool Key(bool is_first, uint32_t depth);
  bool ScalarKey(bool is_first, uint32_t depth);
  // The value of the member that begins at `start` and whose key is written and is string_. Nothing is
  // left of a member whose value is undefined.
  Outcome Member(size_t start, bool is_first, uint32_t depth, bool is_walked);
  // The short way: where it begins, how far it may go, and to go on behind it.
  PlainPlace Here();
  PlainWay WayFrom(PlainPlace here) const;
  void GoTo(PlainPlace there);
  // Writes up to `count` members the short way. Returns how many; the next one needs the long way.
  template <bool kIsWalked, typename Keys>
  uint32_t PlainMembers(Keys keys, uint32_t count, bool is_first, uint32_t depth);
  // Reads a string into string_; the next token is one of a string.
  bool TakeString() {
    return in_.TakeString(&string_) || CutOff() == Outcome::kText;
  }

  uint32_t TextLength() const { return static_cast<uint32_t>(out_.length()); }
  Outcome Fail(const char* reason);
  Outcome FailAs(DecodeFailure failure);
  Outcome CutOff() { return Fail(kMsgpackCutOff); }

  const MsgpackLimits limits_;
  MsgpackReader in_;
  JsonBuilder out_;
  PayloadOutline outline_;
  UnescapedStrings unescaped_;
  // The last string that was read, in the payload; of a key that is no string, its text in out_.
  Slice string_;
  DecodeFailure failure_ = DecodeFailure::kNone;
  std::string failure_text_;

  MsgpackShapes shapes_;
  bool has_batch_ = false;        // the root has a batch
  bool has_inheritance_ = false;  // the root has a context or integrations
};

}  // namespace tributary
