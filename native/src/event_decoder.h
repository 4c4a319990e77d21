// Turns the bytes of one tracking payload into rows of the active `events` segment. No Node in here:
// decoder.cc is its JavaScript face.
//
// - A payload is one event object, or an object with a `batch` array, in JSON or in msgpack. It is
//   validated as a whole; only then is a row written. One that fails leaves no trace in the segment.
// - An event that breaks a rule becomes a hidden row with its sequence, and a rejection (code, field):
//   so the sequence of an event is always the sequence of its record plus its index.
// - What a row holds depends only on the payload, the sequence, receivedAt, the source, the type of the
//   path and the sender's address: replaying the log gives the same rows.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "decode_failure.h"
#include "event_notes.h"
#include "json_outline.h"
#include "msgpack_parser.h"
#include "segment_writer.h"
#include "sender_address.h"
#include "simdjson.h"
#include "tracking_event.h"
#include "unicode_escapes.h"

namespace tributary {

// How a payload is written; the numbers are those of the log's records (storage/wal-format.ts).
enum class Codec : uint32_t { kJson = 1, kMsgpack = 2 };

struct DecoderLimits {
  EventLimits event;
  uint32_t batch_events_max;
  uint32_t json_depth_max;
  uint32_t batch_inherited_bytes_max;
  uint32_t msgpack_text_bytes_max;
};

// What a row depends on besides the payload.
struct BatchFields {
  uint64_t sequence;   // of the first event
  int64_t received_at; // microseconds since 1970
  Slice source;
  EventType type_of_path;
  Codec codec;
  const uint8_t* sender;  // kSenderAddressBytes that the batch came from; null: not known, or not told
  // Of how many rows the batch was joined; 0: it was not. As many events it has then, and nothing besides.
  uint32_t joined_rows;
};

class EventDecoder {
 public:
  // Asked before rows are written whether there is room elsewhere for what so many events, whose values are parts
  // of a text of so many bytes, can bring. Returns "" or why not, which is kIdentityFull.
  using Admit = std::function<std::string(uint32_t events, uint32_t text_bytes)>;

  explicit EventDecoder(const DecoderLimits& limits, Admit admit = nullptr)
      : limits_(limits),
        admit_(std::move(admit)),
        msgpack_({limits.json_depth_max, limits.msgpack_text_bytes_max}) {}

  // Rows go to this segment from now on. Returns "" or why not.
  std::string Attach(Region* region);
  bool attached() const { return writer_.attached(); }

  // Decodes `length` bytes of JSON or msgpack with SIMDJSON_PADDING readable bytes behind them. On kNone `events`
  // rows were staged and notes() is about them; on anything else none was, and failure_text() says more.
  DecodeFailure Decode(const char* payload, uint32_t length, const BatchFields& batch,
                       uint32_t* events);
  const Notes& notes() const { return notes_; }
  Notes TakeNotes() { return std::move(notes_); }
  const std::string& failure_text() const { return failure_; }

 private:
  DecodeFailure ParseJson(const char* payload, uint32_t length);
  // The verdict of simdjson's own parser on a text.
  DecodeFailure Judge(const char* text, uint32_t length);
  DecodeFailure ParseMsgpack(const char* payload, uint32_t length);
  DecodeFailure StageAll(uint32_t* events);
  // Where members of the root are; 0 where there is none.
  struct Envelope {
    Token batch, context, integrations;
    bool is_context_ignored, is_integrations_ignored;  // there is a value, but no object
  };
  Envelope ReadEnvelope(const PayloadWalker& walker);
  void ReadInherited(const PayloadWalker& walker, const Envelope& envelope);
  Token Stage(const PayloadWalker& walker, Token at, uint32_t index, bool* staged);
  bool WriteRow(const TrackingEvent& event, uint32_t index);
  void WriteMessageId(const TrackingEvent& event, uint64_t sequence);
  void WriteTimes(const TrackingEvent& event);
  void WriteText(uint32_t column, const Slice& text);
  bool WriteDictionary(uint32_t column, const Slice& text);
  // Writes a text that many rows have, whose code is kept in `code` once it is known.
  bool WriteRepeated(uint32_t column, const Slice& text, uint32_t* code);
  void NoteIgnored(const Envelope& envelope);
  void NoteRepaired(const PayloadWalker& walker, Token at, Token end, uint32_t index,
                    const TrackingEvent& event);

  const DecoderLimits limits_;
  const Admit admit_;
  simdjson::dom::parser parser_;
  JsonOutline outline_;
  UnescapedStrings unescaped_;
  MsgpackParser msgpack_;
  SegmentWriter writer_;
  EventScratch scratch_;
  SurrogateRepair repair_;
  Notes notes_;
  std::string failure_;
  // Of the attached segment, by EventType.
  uint32_t type_codes_[kEventTypeCount];

  // Of the payload being decoded.
  uint32_t source_code_ = 0;
  BatchFields batch_{};
  ParsedPayload parsed_{};
  bool is_clamped_ = false;  // the event being written came from the future
  char sender_member_[kSenderMemberBytesMax];
  bool has_batch_sent_at_ = false;
  int64_t batch_sent_at_ = 0;
};

}  // namespace tributary
