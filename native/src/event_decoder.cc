#include "event_decoder.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "byte_order_mark.h"
#include "number_range.h"
#include "timestamp.h"

namespace tributary {

namespace {

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

constexpr Slice kTypeNames[kEventTypeCount] = {{"track", 5},  {"identify", 8}, {"page", 4},
                                               {"screen", 6}, {"group", 5},    {"alias", 5}};
constexpr uint32_t kNoCode = UINT32_MAX;

constexpr int64_t kSkewThresholdMicros = 60ll * 1000000;
constexpr int64_t kFutureMaxMicros = 24ll * 3600 * 1000000;
// A generated message id is "seq-" and the sequence: unique in the tenant, the same on replay.
constexpr uint32_t kGeneratedIdBytesMax = 24;

// When the event happened, by the rule of docs/http.md: the client's clock is corrected by the skew
// between sentAt and our clock when that is more than a minute; the future is refused.
int64_t HappenedAt(const TrackingEvent& event, bool has_sent, int64_t sent, int64_t received,
                   bool* is_clamped) {
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
  *is_clamped = happened > received + kFutureMaxMicros;
  return *is_clamped ? received : happened;
}

}  // namespace

std::string EventDecoder::Attach(Region* region) {
  std::fill(type_codes_, type_codes_ + kEventTypeCount, kNoCode);
  std::string failure = writer_.Attach(region);
  if (failure.empty() && writer_.ColumnCount() < kEventColumnCount) failure = "too few columns";
  for (uint32_t i = 0; failure.empty() && i < kEventColumnCount; i++) {
    if (writer_.FindColumn(kEventColumnNames[i]) != static_cast<int>(i)) {
      failure = std::string("column ") + kEventColumnNames[i] + " is not where it should be";
    }
  }
  return failure;
}

DecodeFailure EventDecoder::Decode(const char* payload, uint32_t length, const BatchFields& batch,
                                   uint32_t* events) {
  batch_ = batch;
  notes_.Clear();
  repair_.Clear();
  *events = 0;
  DecodeFailure failure = batch.codec == Codec::kMsgpack ? ParseMsgpack(payload, length)
                                                         : ParseJson(payload, length);
  return failure == DecodeFailure::kNone ? StageAll(events) : failure;
}

DecodeFailure EventDecoder::ParseMsgpack(const char* payload, uint32_t length) {
  bool is_inherited = batch_.sender != nullptr;
  DecodeFailure failure =
      msgpack_.Parse(reinterpret_cast<const uint8_t*>(payload), length, is_inherited);
  if (failure == DecodeFailure::kNone) parsed_ = msgpack_.parsed();  // else there may be no text at all
  else failure_ = msgpack_.failure_text();
  return failure;
}

DecodeFailure EventDecoder::ParseJson(const char* payload, uint32_t length) {
  if (parser_.max_depth() != limits_.json_depth_max || parser_.capacity() < length) {
    size_t capacity = parser_.capacity() * 2 > length ? parser_.capacity() * 2 : length + 65536;
    if (parser_.allocate(capacity, limits_.json_depth_max)) return DecodeFailure::kRegionFull;
  }
  const char* text = payload;
  bool has_escapes = memchr(payload, '\\', length) != nullptr;
  if (has_escapes && repair_.Repair(payload, length)) text = repair_.text();
  auto& found = *parser_.implementation;
  bool is_read = found.stage1(reinterpret_cast<const uint8_t*>(text), length,
                              simdjson::stage1_mode::regular) == simdjson::SUCCESS;
  auto read = [&](Scalars scalars) {
    return outline_.Read(text, found.structural_indexes.get(), found.n_structural_indexes,
                         limits_.json_depth_max, scalars);
  };
  is_read = is_read && (!has_escapes || HasValidEscapes(text, length)) && read(Scalars::kUnchecked);
  if (!is_read) {
    DecodeFailure failure = Judge(text, length);
    if (failure != DecodeFailure::kNone) return failure;
    if (!read(Scalars::kValid)) return DecodeFailure::kNotAnEvent;
  }
  unescaped_.Clear();
  parsed_ = {found.structural_indexes.get(), outline_.partners(), text, length,
             has_escapes ? &unescaped_ : nullptr};
  return DecodeFailure::kNone;
}

DecodeFailure EventDecoder::Judge(const char* text, uint32_t length) {
  auto error = HasByteOrderMark(text, length)
                   ? simdjson::TAPE_ERROR
                   : parser_.parse(reinterpret_cast<const uint8_t*>(text), length, false).error();
  if (error == simdjson::SUCCESS) return DecodeFailure::kNone;
  failure_ = simdjson::error_message(error);
  switch (error) {
    case simdjson::DEPTH_ERROR:
      return DecodeFailure::kTooDeep;
    case simdjson::NUMBER_ERROR:
    case simdjson::BIGINT_ERROR: {
      auto& found = *parser_.implementation;
      if (HasNumberOutOfRange(text, length, found.structural_indexes.get(), found.n_structural_indexes)) {
        return DecodeFailure::kNumberOutOfRange;
      }
      failure_ = "a value is missing, or is no number";
      return DecodeFailure::kMalformed;
    }
    case simdjson::UTF8_ERROR:
      return DecodeFailure::kInvalidUtf8;
    default:
      return DecodeFailure::kMalformed;
  }
}

DecodeFailure EventDecoder::StageAll(uint32_t* events) {
  PayloadWalker walker(parsed_);
  if (walker.type_at(walker.root()) != '{') return DecodeFailure::kNotAnEvent;
  Envelope envelope = ReadEnvelope(walker);
  bool has_batch = envelope.batch != 0;
  if (has_batch && walker.type_at(envelope.batch) != '[') return DecodeFailure::kNotAnEvent;
  uint32_t count = has_batch ? walker.count_at(envelope.batch) : 1;
  if (count > limits_.batch_events_max) return DecodeFailure::kBatchTooLarge;
  bool is_as_joined = count == batch_.joined_rows && walker.count_at(walker.root()) == 1;
  if (batch_.joined_rows != 0 && !is_as_joined) {
    failure_ = "a row is more or less than an object";
    return DecodeFailure::kMalformed;
  }
  ReadInherited(walker, envelope);
  uint64_t inherited_bytes =
      uint64_t{count} * (scratch_.context.bytes() + scratch_.integrations.bytes());
  if (inherited_bytes > limits_.batch_inherited_bytes_max) return DecodeFailure::kInheritedTooLarge;
  uint32_t added_bytes_max =
      kGeneratedIdBytesMax + (batch_.sender == nullptr ? 0 : kSenderMemberBytesMax);
  uint64_t heap_bytes =
      uint64_t{parsed_.length} + uint64_t{count} * added_bytes_max + inherited_bytes;
  if (!writer_.HasRoom(count, heap_bytes)) return DecodeFailure::kSegmentFull;
  failure_ = writer_.BackFor(count, heap_bytes);
  if (!failure_.empty()) return DecodeFailure::kRegionFull;
  if (admit_) failure_ = admit_(count, parsed_.length);
  if (!failure_.empty()) return DecodeFailure::kIdentityFull;

  source_code_ = kNoCode;
  writer_.Save();
  bool staged = true;
  uint32_t index = 0;
  auto stage = [&](Token event) { return Stage(walker, event, index++, &staged); };
  if (has_batch) walker.EachElement(envelope.batch, stage);
  else stage(walker.root());
  if (!staged) {
    writer_.Restore();
    return DecodeFailure::kSegmentFull;
  }
  if (has_batch && count > 0) NoteIgnored(envelope);
  *events = count;
  return DecodeFailure::kNone;
}

// Finds what the root says about its batch, the last of each member, and notes the batch's sentAt.
EventDecoder::Envelope EventDecoder::ReadEnvelope(const PayloadWalker& walker) {
  Envelope envelope{};
  has_batch_sent_at_ = false;
  walker.EachMember(walker.root(), [&](Slice key, Token, Token value) {
    char type = walker.type_at(value);
    if (key.length == 5 && memcmp(key.data, "batch", 5) == 0) envelope.batch = value;
    if (key.length == 6 && memcmp(key.data, "sentAt", 6) == 0) {
      Slice text = type == '"' ? walker.string_at(value) : Slice{};
      has_batch_sent_at_ = ParseTimestamp(text.data, text.length, &batch_sent_at_);
    }
    if (key.length == 7 && memcmp(key.data, "context", 7) == 0) {
      envelope.context = type == '{' ? value : 0;
      envelope.is_context_ignored = type != '{' && type != 'n';
    }
    if (key.length == 12 && memcmp(key.data, "integrations", 12) == 0) {
      envelope.integrations = type == '{' ? value : 0;
      envelope.is_integrations_ignored = type != '{' && type != 'n';
    }
    return walker.Skip(value);
  });
  return envelope;
}

// Takes the batch's context and integrations for its events; a single event has only its own. Either has
// the sender's address.
void EventDecoder::ReadInherited(const PayloadWalker& walker, const Envelope& envelope) {
  scratch_.context.Clear();
  scratch_.integrations.Clear();
  if (envelope.batch != 0) {
    if (envelope.context != 0) scratch_.context.Read(walker, envelope.context);
    if (envelope.integrations != 0) scratch_.integrations.Read(walker, envelope.integrations);
  }
  if (batch_.sender == nullptr) return;
  scratch_.context.AddSender(WriteSenderMember(batch_.sender, sender_member_));
}

Token EventDecoder::Stage(const PayloadWalker& walker, Token at, uint32_t index, bool* staged) {
  TrackingEvent event;
  Token end = ReadEvent(walker, at, batch_.type_of_path, limits_.event, &scratch_, &event);
  if (*staged) *staged = WriteRow(event, index);
  if (event.reject != RejectCode::kNone) {
    Slice text = walker.RawBetween(at, end);
    notes_.Reject(index, event.reject, event.reject_field, text);
  } else if (is_clamped_) {
    notes_.Warn(index, WarningCode::kTimestampInFuture, Field::kTimestamp);
  }
  if (!repair_.empty()) NoteRepaired(walker, at, end, index, event);
  return end;
}

bool EventDecoder::WriteRow(const TrackingEvent& event, uint32_t index) {
  uint64_t sequence = batch_.sequence + index;
  bool rejected = event.reject != RejectCode::kNone;
  is_clamped_ = false;
  writer_.SetUint64(kSequence, sequence);
  writer_.SetInt64(kReceivedAt, batch_.received_at);
  bool fits = WriteRepeated(kSource, batch_.source, &source_code_);
  WriteMessageId(event, sequence);
  writer_.SetUint32(kAnchor, 0);
  if (rejected) {
    for (uint32_t column = kType; column < kEventColumnCount; column++) {
      if (column != kAnchor && column != kReceivedAt && column != kSource) writer_.SetNull(column);
    }
    writer_.Hide();
  } else {
    auto type = static_cast<uint32_t>(event.type);
    fits &= WriteRepeated(kType, kTypeNames[type], &type_codes_[type]);
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

void EventDecoder::WriteMessageId(const TrackingEvent& event, uint64_t sequence) {
  const Slice& id = event[Field::kMessageId];
  if (id.present()) return writer_.SetText(kMessageId, id.data, id.length);
  char generated[kGeneratedIdBytesMax];
  int length = snprintf(generated, sizeof(generated), "seq-%llu",
                        static_cast<unsigned long long>(sequence));
  writer_.SetText(kMessageId, generated, static_cast<uint32_t>(length));
}

void EventDecoder::WriteTimes(const TrackingEvent& event) {
  bool has_sent = event.has_sent_at || has_batch_sent_at_;
  int64_t sent = event.has_sent_at ? event.sent_at : batch_sent_at_;
  writer_.SetInt64(kTimestamp, HappenedAt(event, has_sent, sent, batch_.received_at, &is_clamped_));
  // What the device's clock said, as sent.
  if (event.has_original_timestamp) writer_.SetInt64(kOriginalTimestamp, event.original_timestamp);
  else if (event.has_timestamp) writer_.SetInt64(kOriginalTimestamp, event.timestamp);
  else writer_.SetNull(kOriginalTimestamp);
  if (has_sent) writer_.SetInt64(kSentAt, sent);
  else writer_.SetNull(kSentAt);
}

void EventDecoder::WriteText(uint32_t column, const Slice& text) {
  if (text.present()) writer_.SetText(column, text.data, text.length);
  else writer_.SetNull(column);
}

bool EventDecoder::WriteDictionary(uint32_t column, const Slice& text) {
  if (text.present()) return writer_.SetDictionary(column, text.data, text.length);
  writer_.SetNull(column);
  return true;
}

bool EventDecoder::WriteRepeated(uint32_t column, const Slice& text, uint32_t* code) {
  if (*code != kNoCode) {
    writer_.SetCode(column, *code);
    return true;
  }
  if (!writer_.SetDictionary(column, text.data, text.length)) return false;
  *code = writer_.LastCode(column);
  return true;
}

// What no event can inherit is noted once, with the first event.
void EventDecoder::NoteIgnored(const Envelope& envelope) {
  if (envelope.is_context_ignored) {
    notes_.Warn(0, WarningCode::kBatchMemberIgnored, Field::kContext);
  }
  if (envelope.is_integrations_ignored) {
    notes_.Warn(0, WarningCode::kBatchMemberIgnored, Field::kIntegrations);
  }
}

// Notes the first field of the event that holds a replaced half of a surrogate pair: one of its own, or
// one that it took from its batch.
void EventDecoder::NoteRepaired(const PayloadWalker& walker, Token at, Token end,
                                uint32_t index, const TrackingEvent& event) {
  Slice text = walker.RawBetween(at, end);
  auto inherits = [&](Field field, const InheritedObject& inherited) {
    const Slice& object = event[field];
    auto distance = reinterpret_cast<uintptr_t>(object.data) - reinterpret_cast<uintptr_t>(text.data);
    bool is_own = distance < text.length;
    return object.present() && !is_own && repair_.Touches(inherited.text());
  };
  Field field = Field::kNone;
  if (repair_.Touches(text)) {
    if (walker.type_at(at) != '{') return;  // rejected as no object, with its text
    walker.EachMember(at, [&](Slice key, Token key_token, Token value) {
      Token behind = walker.Skip(value);
      Slice member = walker.RawBetween(key_token, behind);
      if (field == Field::kNone && repair_.Touches(member)) field = FieldOf(key);
      return behind;
    });
  } else if (inherits(Field::kContext, scratch_.context)) {
    field = Field::kContext;
  } else if (inherits(Field::kIntegrations, scratch_.integrations)) {
    field = Field::kIntegrations;
  } else {
    return;
  }
  notes_.Warn(index, WarningCode::kSurrogateReplaced, field);
}

}  // namespace tributary
