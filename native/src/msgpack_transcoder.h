// One msgpack payload as the JSON text the event decoder reads, in one pass.
//
// Why text: the rows of both formats then come from one decoder, with one set of rules, and what a
// client sent in msgpack reads back like anybody's JSON. docs/formats.md says what becomes of each
// type.
//
// - msgpackr's records (extension 0x72) are understood where they are defined in the payload that uses
//   them. Nothing is kept from one payload to the next.
// - The bytes are not trusted: every length is held against what is left, nesting and text are bounded.
//   A record's keys are written again for each of its bytes, so only the bound on the text keeps a
//   small payload from becoming a large one.
// - Same bytes, same text: a replay of the log stages the same rows.
//
// No thread of its own and no shared state: one transcoder serves one thread at a time.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "event_decoder.h"
#include "msgpack_json_text.h"
#include "msgpack_reader.h"

namespace tributary {

struct MsgpackLimits {
  uint32_t depth_max;       // levels of maps, arrays and records
  uint32_t text_bytes_max;  // of JSON
};

class MsgpackTranscoder {
 public:
  explicit MsgpackTranscoder(const MsgpackLimits& limits);

  // Reads the `length` bytes of one value, with SIMDJSON_PADDING readable bytes behind them. After
  // kNone the text is valid until the next call, and fit for EventDecoder::Decode; it is JSON but for
  // strings that are not UTF-8. Else kMsgpackMalformed (failure_text() says why), kTooDeep or
  // kMsgpackTextTooLarge.
  DecodeFailure Transcode(const uint8_t* payload, uint32_t length);
  const char* text() const { return out_.data(); }
  uint32_t text_length() const { return static_cast<uint32_t>(out_.length()); }
  const std::string& failure_text() const { return failure_text_; }

 private:
  // What reading a value came to: text, a value JSON has no text for, or a failure.
  enum class Outcome { kText, kUndefined, kFailed };
  // The keys of a record: `count` entries of fields_ from `first`. Defined in this payload when its
  // generation is the current one.
  struct Shape {
    uint32_t generation, first, count;
    bool has_second_byte;  // its id goes on in the byte behind
  };
  // Text in keys_: `"key":`.
  struct RecordField {
    uint32_t offset, length;
  };

  Outcome Value(uint32_t depth);
  Outcome Map(uint32_t count, uint32_t depth);
  Outcome Array(uint32_t count, uint32_t depth);
  Outcome String(uint32_t length);
  Outcome Binary(uint32_t length);
  Outcome Extension(uint32_t length, uint32_t depth);
  Outcome Timestamp(const uint8_t* bytes, uint32_t length);
  Outcome RecordDefinition(uint32_t length, uint32_t depth);
  Outcome RecordReference(uint32_t id, uint32_t depth);
  Outcome Record(const Shape& shape, uint32_t depth);
  bool IsDefined(uint32_t index) const { return shapes_[index].generation == generation_; }
  // A key and its colon.
  bool Key(uint32_t depth);
  bool ArrayHeader(uint32_t* count);
  // Before a member of the object, or an element of the array, that was opened last.
  void Separate(char opening);

  template <typename T>
  Outcome Unsigned();
  template <typename T>
  Outcome Signed();
  template <typename Bits, typename Number>
  Outcome Float();
  template <typename T>
  bool Length(uint32_t* length);

  Outcome Fail(const char* reason);
  Outcome FailAs(DecodeFailure failure);
  Outcome CutOff() { return Fail("it ends inside a value"); }

  const MsgpackLimits limits_;
  MsgpackReader in_;
  MsgpackJsonText out_;
  DecodeFailure failure_ = DecodeFailure::kNone;
  std::string failure_text_;

  std::vector<Shape> shapes_;
  uint32_t generation_ = 0;
  bool has_records_ = false;
  std::vector<RecordField> fields_;
  MsgpackJsonText keys_;
};

}  // namespace tributary
