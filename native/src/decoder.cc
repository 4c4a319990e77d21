// The JSON decoder: the bytes of one tracking payload into rows of the active `events` segment.
//
// - A payload is one event object, or an object with a `batch` array. It is validated as a whole by
//   simdjson; only then is a row written. A payload that fails leaves no trace in the segment.
// - An event that breaks a rule becomes a hidden row with its sequence, and a rejection (code, field):
//   so the sequence of an event is always the sequence of its record plus its index.
// - What a row holds depends only on the payload, the sequence, receivedAt, the source and the type of
//   the path: replaying the log gives the same rows.
#include <napi.h>

#include <cstring>
#include <string>

#include "addon_data.h"
#include "region.h"
#include "segment_writer.h"
#include "timestamp.h"
#include "tracking_event.h"

namespace tributary {

namespace {

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
};

// Positions of the columns in `events`, as storage/events-schema.ts orders them.
enum EventColumn : uint32_t {
  kSequence, kMessageId, kType, kEvent, kName, kUserId, kAnonymousId, kGroupId, kPreviousId, kAnchor,
  kTimestamp, kOriginalTimestamp, kSentAt, kReceivedAt, kSource, kProperties, kTraits, kContext,
  kIntegrations, kExtra, kEventColumnCount,
};

constexpr const char* kEventColumnNames[] = {
    "sequence", "message_id", "type", "event", "name", "user_id", "anonymous_id", "group_id",
    "previous_id", "anchor", "timestamp", "original_timestamp", "sent_at", "received_at", "source",
    "properties", "traits", "context", "integrations", "extra"};

constexpr const char* kTypeNames[] = {"track", "identify", "page", "screen", "group", "alias"};

constexpr int64_t kSkewThresholdMicros = 60ll * 1000000;
constexpr int64_t kFutureMaxMicros = 24ll * 3600 * 1000000;
// A generated message id is "seq-" and the sequence: unique in the tenant, the same on replay.
constexpr uint32_t kGeneratedIdBytesMax = 24;

// When the event happened, by the rule of docs/http.md: the client's clock is corrected by the skew
// between sentAt and our clock when that is more than a minute; the future is refused.
int64_t HappenedAt(const TrackingEvent& event, bool has_sent, int64_t sent, int64_t received) {
  int64_t happened;
  if (event.has_timestamp && event.has_original_timestamp) {
    happened = event.timestamp;  // the user set it: RudderStack's SDKs send both
  } else {
    happened = event.has_original_timestamp ? event.original_timestamp
               : event.has_timestamp        ? event.timestamp
                                            : received;
    int64_t skew = has_sent ? received - sent : 0;
    if (skew > kSkewThresholdMicros || skew < -kSkewThresholdMicros) happened += skew;
  }
  return happened > received + kFutureMaxMicros ? received : happened;
}

}  // namespace

class Decoder : public Napi::ObjectWrap<Decoder> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Decoder",
                       {InstanceMethod<&Decoder::Attach>("attach"),
                        InstanceMethod<&Decoder::Decode>("decode"),
                        InstanceAccessor<&Decoder::Failure>("failure")});
  }

  // new Decoder({eventBytesMax, messageIdBytesMax, identifierBytesMax, eventNameBytesMax,
  //              batchEventsMax, jsonDepthMax})
  explicit Decoder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Decoder>(info) {
    Napi::Object limits = info[0].As<Napi::Object>();
    auto number = [&](const char* name) {
      return limits.Get(name).As<Napi::Number>().Uint32Value();
    };
    limits_ = {number("eventBytesMax"), number("messageIdBytesMax"), number("identifierBytesMax"),
               number("eventNameBytesMax")};
    batch_events_max_ = number("batchEventsMax");
    depth_max_ = number("jsonDepthMax");
  }

 private:
  // attach(region): rows go to this segment from now on. Returns "" or why not.
  Napi::Value Attach(const Napi::CallbackInfo& info) {
    Region* region = RegionObject::FromValue(info[0]);
    if (region == nullptr) return Napi::String::New(info.Env(), "not a region");
    std::string failure = writer_.Attach(region);
    if (failure.empty() && writer_.ColumnCount() < kEventColumnCount) failure = "too few columns";
    for (uint32_t i = 0; failure.empty() && i < kEventColumnCount; i++) {
      if (writer_.FindColumn(kEventColumnNames[i]) != static_cast<int>(i)) {
        failure = std::string("column ") + kEventColumnNames[i] + " is not where it should be";
      }
    }
    return Napi::String::New(info.Env(), failure);
  }

  Napi::Value Failure(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), failure_);
  }

  // decode(payload, length, sequence, receivedAtMicros, source, typeOfPath, result): a DecodeFailure.
  // `payload` has at least SIMDJSON_PADDING bytes behind `length`. `result` receives
  // [events, rejected, then (index, code, field) for each rejection that fits].
  Napi::Value Decode(const Napi::CallbackInfo& info) {
    Napi::Uint8Array payload = info[0].As<Napi::Uint8Array>();
    uint32_t length = info[1].As<Napi::Number>().Uint32Value();
    Napi::Uint32Array result = info[6].As<Napi::Uint32Array>();
    if (!writer_.attached() || result.ElementLength() < 2 ||
        payload.ByteLength() < size_t{length} + simdjson::SIMDJSON_PADDING) {
      return Answer(info, DecodeFailure::kBadArguments);
    }
    sequence_ = static_cast<uint64_t>(info[2].As<Napi::Number>().Int64Value());
    received_ = info[3].As<Napi::Number>().Int64Value();
    size_t source_length = 0;
    napi_get_value_string_utf8(info.Env(), info[4], source_, sizeof(source_), &source_length);
    source_length_ = static_cast<uint32_t>(source_length);
    uint32_t type_of_path = info[5].As<Napi::Number>().Uint32Value();
    result_ = result.Data();
    result_room_ = (static_cast<uint32_t>(result.ElementLength()) - 2) / 3;
    result_[0] = result_[1] = 0;

    const char* bytes = reinterpret_cast<const char*>(payload.Data());
    DecodeFailure failure = Parse(bytes, length);
    if (failure == DecodeFailure::kNone) {
      failure = StageAll(bytes, length, static_cast<EventType>(type_of_path));
    }
    return Answer(info, failure);
  }

  Napi::Value Answer(const Napi::CallbackInfo& info, DecodeFailure failure) {
    return Napi::Number::New(info.Env(), static_cast<uint32_t>(failure));
  }

  DecodeFailure Parse(const char* bytes, uint32_t length) {
    if (parser_.max_depth() != depth_max_ || parser_.capacity() < length) {
      size_t capacity = parser_.capacity() * 2 > length ? parser_.capacity() * 2 : length + 65536;
      if (parser_.allocate(capacity, depth_max_)) return DecodeFailure::kRegionFull;
    }
    auto parsed = parser_.parse(reinterpret_cast<const uint8_t*>(bytes), length, false);
    if (parsed.error() == simdjson::SUCCESS) return DecodeFailure::kNone;
    failure_ = simdjson::error_message(parsed.error());
    switch (parsed.error()) {
      case simdjson::DEPTH_ERROR:
        return DecodeFailure::kTooDeep;
      case simdjson::NUMBER_ERROR:
        return DecodeFailure::kNumberOutOfRange;
      case simdjson::UTF8_ERROR:
        return DecodeFailure::kInvalidUtf8;
      default:
        return DecodeFailure::kMalformed;
    }
  }

  DecodeFailure StageAll(const char* bytes, uint32_t length, EventType type_of_path) {
    PayloadWalker walker(parser_, bytes);
    Position root = walker.root();
    if (walker.type_at(root) != '{') return DecodeFailure::kNotAnEvent;
    uint64_t batch_tape = FindBatch(walker, root);
    bool has_batch = batch_tape != 0;
    if (has_batch && walker.type_at({batch_tape, 0}) != '[') return DecodeFailure::kNotAnEvent;
    uint32_t count = has_batch ? walker.count_at({batch_tape, 0}) : 1;
    if (count > batch_events_max_) return DecodeFailure::kBatchTooLarge;
    uint64_t heap_bytes = uint64_t{length} + uint64_t{count} * kGeneratedIdBytesMax;
    if (!writer_.HasRoom(count, heap_bytes)) return DecodeFailure::kSegmentFull;
    failure_ = writer_.BackFor(count, heap_bytes);
    if (!failure_.empty()) return DecodeFailure::kRegionFull;

    writer_.Save();
    bool staged = true;
    if (!has_batch) {
      Stage(walker, root, type_of_path, 0, &staged);
    } else {
      uint32_t index = 0;
      walker.EachMember(root, [&](Slice, uint32_t, Position value) {
        if (value.tape != batch_tape) return walker.Skip(value);
        return walker.EachElement(value, [&](Position element) {
          return Stage(walker, element, type_of_path, index++, &staged);
        });
      });
    }
    if (!staged) {
      writer_.Restore();
      return DecodeFailure::kSegmentFull;
    }
    result_[0] = count;
    return DecodeFailure::kNone;
  }

  // The tape index of the value of the last `batch` member, or 0; notes the batch's sentAt. Runs over
  // the tape alone, where an array is skipped in one step.
  uint64_t FindBatch(const PayloadWalker& walker, Position root) {
    uint64_t batch = 0;
    has_batch_sent_at_ = false;
    const uint64_t* tape = parser_.doc.tape.get();
    uint64_t at = root.tape + 1;
    while (static_cast<char>(tape[at] >> 56) != '}') {
      Slice key = walker.string_at(at);
      uint64_t value = at + 1;
      char type = static_cast<char>(tape[value] >> 56);
      if (key.length == 5 && memcmp(key.data, "batch", 5) == 0) batch = value;
      if (key.length == 6 && memcmp(key.data, "sentAt", 6) == 0 && type == '"') {
        Slice text = walker.string_at(value);
        has_batch_sent_at_ = ParseTimestamp(text.data, text.length, &batch_sent_at_);
      }
      if (type == '{' || type == '[') at = tape[value] & 0xffffffffu;
      else at = value + (type == 'l' || type == 'u' || type == 'd' ? 2 : 1);
    }
    return batch;
  }

  Position Stage(const PayloadWalker& walker, Position at, EventType type_of_path, uint32_t index,
                 bool* staged) {
    TrackingEvent event;
    Position end = ReadEvent(walker, at, type_of_path, limits_, &extra_, &event);
    if (*staged) *staged = WriteRow(event, index);
    return end;
  }

  bool WriteRow(const TrackingEvent& event, uint32_t index) {
    uint64_t sequence = sequence_ + index;
    bool rejected = event.reject != RejectCode::kNone;
    writer_.SetUint64(kSequence, sequence);
    writer_.SetInt64(kReceivedAt, received_);
    bool fits = writer_.SetDictionary(kSource, source_, source_length_);
    WriteMessageId(event, sequence);
    writer_.SetUint32(kAnchor, 0);
    if (rejected) {
      NoteRejection(event, index);
      for (uint32_t column = kType; column < kEventColumnCount; column++) {
        if (column != kAnchor && column != kReceivedAt && column != kSource) writer_.SetNull(column);
      }
      writer_.Hide();
    } else {
      const char* type = kTypeNames[static_cast<int>(event.type)];
      fits &= writer_.SetDictionary(kType, type, static_cast<uint32_t>(strlen(type)));
      fits &= WriteDictionary(kEvent, event[Field::kEvent]);
      fits &= WriteDictionary(kName, event[Field::kName]);
      WriteText(kUserId, event[Field::kUserId]);
      WriteText(kAnonymousId, event[Field::kAnonymousId]);
      WriteText(kGroupId, event[Field::kGroupId]);
      WriteText(kPreviousId, event[Field::kPreviousId]);
      WriteTimes(event);
      WriteText(kProperties, event[Field::kProperties]);
      WriteText(kTraits, event[Field::kTraits]);
      WriteText(kContext, event[Field::kContext]);
      WriteText(kIntegrations, event[Field::kIntegrations]);
      WriteText(kExtra, event[Field::kExtra]);
    }
    writer_.EndRow();
    return fits;
  }

  void WriteMessageId(const TrackingEvent& event, uint64_t sequence) {
    const Slice& id = event[Field::kMessageId];
    if (id.present()) return writer_.SetText(kMessageId, id.data, id.length);
    char generated[kGeneratedIdBytesMax];
    int length = snprintf(generated, sizeof(generated), "seq-%llu",
                          static_cast<unsigned long long>(sequence));
    writer_.SetText(kMessageId, generated, static_cast<uint32_t>(length));
  }

  void WriteTimes(const TrackingEvent& event) {
    bool has_sent = event.has_sent_at || has_batch_sent_at_;
    int64_t sent = event.has_sent_at ? event.sent_at : batch_sent_at_;
    writer_.SetInt64(kTimestamp, HappenedAt(event, has_sent, sent, received_));
    // What the device's clock said, as sent.
    if (event.has_original_timestamp) writer_.SetInt64(kOriginalTimestamp, event.original_timestamp);
    else if (event.has_timestamp) writer_.SetInt64(kOriginalTimestamp, event.timestamp);
    else writer_.SetNull(kOriginalTimestamp);
    if (has_sent) writer_.SetInt64(kSentAt, sent);
    else writer_.SetNull(kSentAt);
  }

  void WriteText(uint32_t column, const Slice& text) {
    if (text.present()) writer_.SetText(column, text.data, text.length);
    else writer_.SetNull(column);
  }

  bool WriteDictionary(uint32_t column, const Slice& text) {
    if (text.present()) return writer_.SetDictionary(column, text.data, text.length);
    writer_.SetNull(column);
    return true;
  }

  void NoteRejection(const TrackingEvent& event, uint32_t index) {
    uint32_t ordinal = result_[1]++;
    if (ordinal >= result_room_) return;
    uint32_t* entry = result_ + 2 + ordinal * 3;
    entry[0] = index;
    entry[1] = static_cast<uint32_t>(event.reject);
    entry[2] = static_cast<uint32_t>(event.reject_field);
  }

  simdjson::dom::parser parser_;
  SegmentWriter writer_;
  ExtraBuffer extra_;
  EventLimits limits_{};
  uint32_t batch_events_max_ = 0, depth_max_ = 0;
  std::string failure_;

  // Of the payload being decoded.
  uint64_t sequence_ = 0;
  int64_t received_ = 0, batch_sent_at_ = 0;
  bool has_batch_sent_at_ = false;
  char source_[256];
  uint32_t source_length_ = 0;
  uint32_t* result_ = nullptr;
  uint32_t result_room_ = 0;
};

void InitDecoder(Napi::Env env, Napi::Object exports) {
  exports.Set("Decoder", Decoder::Define(env));
}

}  // namespace tributary
