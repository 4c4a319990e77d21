// Turns the bytes of one tracking payload into rows of the active `events` segment. No Node in here:
// decoder.cc is its JavaScript face.
//
// - A payload is one event object, or an object with a `batch` array. It is validated as a whole by
//   simdjson; only then is a row written. A payload that fails leaves no trace in the segment.
// - An event that breaks a rule becomes a hidden row with its sequence, and a rejection (code, field):
//   so the sequence of an event is always the sequence of its record plus its index.
// - What a row holds depends only on the payload, the sequence, receivedAt, the source and the type of
//   the path: replaying the log gives the same rows.
#pragma once
#include <cstdint>
#include <string>

#include "segment_writer.h"
#include "simdjson.h"
#include "tracking_event.h"

namespace tributary {

// Shared with engine/decode-codes.ts.
enum class DecodeFailure : uint32_t {
  kNone = 0,
  kMalformed = 1,
  kTooDeep = 2,
  kNumberOutOfRange = 3,
  kInvalidUtf8 = 4,
  kNotAnEvent = 5,       // neither an object nor {"batch": […]}
  kBatchTooLarge = 6,
  kSegmentFull = 7,      // nothing staged: seal, rotate, decode again
  kRegionFull = 8,       // the file system that holds the hot data is full
  kBadArguments = 9,
  kInheritedTooLarge = 10,  // the batch's context, once in each event
  kMsgpackMalformed = 11,
  kMsgpackTextTooLarge = 12,
};

// How an accepted event was altered. Shared with engine/decode-codes.ts; above all RejectCodes.
enum class WarningCode : uint32_t {
  kTimestampInFuture = 128,
};

struct DecoderLimits {
  EventLimits event;
  uint32_t batch_events_max;
  uint32_t json_depth_max;
  uint32_t batch_inherited_bytes_max;
};

// What a row depends on besides the payload.
struct BatchFields {
  uint64_t sequence;   // of the first event
  int64_t received_at; // microseconds since 1970
  Slice source;
  EventType type_of_path;
};

// What was noted about the events of one payload, at most one entry an event: why it was rejected (a
// RejectCode), or how it was altered (a WarningCode). The first `capacity` are kept, all are counted.
struct Notes {
  struct Entry {
    uint32_t index, code, field;
    uint32_t offset, length;  // of the event's text in the payload
  };
  Entry* entries;
  uint32_t capacity;
  uint32_t count;
};

class EventDecoder {
 public:
  explicit EventDecoder(const DecoderLimits& limits) : limits_(limits) {}

  // Rows go to this segment from now on. Returns "" or why not.
  std::string Attach(Region* region);
  bool attached() const { return writer_.attached(); }

  // Decodes `length` bytes of JSON with SIMDJSON_PADDING readable bytes behind them. On kNone `events`
  // rows were staged; on anything else none was, and failure_text() says more.
  DecodeFailure Decode(const char* payload, uint32_t length, const BatchFields& batch,
                       Notes* notes, uint32_t* events);
  const std::string& failure_text() const { return failure_; }

 private:
  DecodeFailure Parse(const char* bytes, uint32_t length);
  DecodeFailure StageAll(const char* bytes, uint32_t length, uint32_t* events);
  // Where members of the root are on the tape; 0 where there is none.
  struct Envelope {
    uint64_t batch, context, integrations;
  };
  Envelope ReadEnvelope(const PayloadWalker& walker, Position root);
  void ReadInherited(const PayloadWalker& walker, Position root, const Envelope& envelope);
  Position Stage(const PayloadWalker& walker, Position at, uint32_t index, bool* staged);
  bool WriteRow(const TrackingEvent& event, uint32_t index);
  void WriteMessageId(const TrackingEvent& event, uint64_t sequence);
  void WriteTimes(const TrackingEvent& event);
  void WriteText(uint32_t column, const Slice& text);
  bool WriteDictionary(uint32_t column, const Slice& text);
  void Note(uint32_t index, uint32_t code, Field field, const char* payload, const Slice& text);

  const DecoderLimits limits_;
  simdjson::dom::parser parser_;
  SegmentWriter writer_;
  EventScratch scratch_;
  std::string failure_;

  // Of the payload being decoded.
  BatchFields batch_{};
  Notes* notes_ = nullptr;
  bool is_clamped_ = false;  // the event being written came from the future
  bool has_batch_sent_at_ = false;
  int64_t batch_sent_at_ = 0;
};

}  // namespace tributary
