// One tracking call, as slices into the payload: what the decoder reads before it writes a row.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "payload_walker.h"

namespace tributary {

enum class EventType : uint8_t { kTrack, kIdentify, kPage, kScreen, kGroup, kAlias, kNone };
constexpr uint32_t kEventTypeCount = 6;  // without kNone

// Why one event is rejected. The numbers are shared with engine/decode-codes.ts.
enum class RejectCode : uint8_t {
  kNone = 0,
  kNotObject = 1,
  kEventTooLarge = 2,
  kTypeUnknown = 3,
  kFieldType = 4,
  kFieldMissing = 5,
  kFieldTooLong = 6,
  kTimestampInvalid = 7,
  kNotIdentifiable = 8,
};

// The field a rejection is about. The numbers are shared with engine/decode-codes.ts.
enum class Field : uint8_t {
  kNone, kType, kEvent, kName, kUserId, kAnonymousId, kGroupId, kPreviousId, kMessageId, kTimestamp,
  kOriginalTimestamp, kSentAt, kProperties, kTraits, kContext, kIntegrations, kExtra, kCount,
};

struct TrackingEvent {
  EventType type = EventType::kNone;
  RejectCode reject = RejectCode::kNone;
  Field reject_field = Field::kNone;
  // What is wrong with a field's value. Of a repeated key the last value decides, so a later value takes
  // the fault of an earlier one back.
  RejectCode fault[static_cast<size_t>(Field::kCount)] = {};
  bool has_timestamp = false, has_original_timestamp = false, has_sent_at = false;
  int64_t timestamp, original_timestamp, sent_at;  // microseconds; valid where has_ is set
  Slice text[static_cast<size_t>(Field::kCount)];  // strings unescaped, objects as raw JSON text

  Slice& operator[](Field field) { return text[static_cast<size_t>(field)]; }
  const Slice& operator[](Field field) const { return text[static_cast<size_t>(field)]; }
  RejectCode& FaultOf(Field field) { return fault[static_cast<size_t>(field)]; }
  void Reject(RejectCode code, Field field) {
    if (reject == RejectCode::kNone) {
      reject = code;
      reject_field = field;
    }
  }
};

struct EventLimits {
  uint32_t event_bytes_max, message_id_bytes_max, identifier_bytes_max, event_name_bytes_max;
};

// A reusable byte buffer in which the text of one JSON object is put together from its members.
class MemberBuffer {
 public:
  void Clear() { length_ = 0; }
  bool empty() const { return length_ == 0; }
  void AddMember(const Slice& member);
  Slice Finish();
  MemberBuffer() = default;
  ~MemberBuffer();
  MemberBuffer(const MemberBuffer&) = delete;
  MemberBuffer& operator=(const MemberBuffer&) = delete;

 private:
  void Append(const char* data, size_t length);
  char* data_ = nullptr;
  size_t length_ = 0, capacity_ = 0;
};

// The `context` or `integrations` of a batch: what its events inherit where they say nothing
// themselves, one level deep. Works on the text of the members; nothing is serialised again.
//
// Members are kept in the order of their keys, each key once (of a repeated one the last counts), so
// that a merge costs the logarithm of their number for each member of the event, whatever was sent.
//
// A context may get one member of ours, the sender's `ip`. Whoever names an ip keeps it, the event or its
// batch, unless it says `"direct":true`: that asks for the address it came from.
class InheritedObject {
 public:
  void Clear();
  // Takes the object at `at`; the walker's payload and parser must outlive it.
  void Read(const PayloadWalker& walker, Token at);
  // Adds the sender's `ip`, a member of this object as text that lives as long as it is used.
  void AddSender(const Slice& ip);
  bool empty() const { return whole_.length == 0; }
  // Of the object's text, which an event inherits no more of than this. 0 when there is none.
  uint32_t bytes() const { return text_.length; }
  const Slice& text() const { return text_; }
  // The text of the event's object `own` at `at`, with the members added that it lacks; the object
  // itself where `own` is absent. Valid until the next call. Adds to `bytes` what of it the client's
  // batch has added: an event is not measured with the sender's address.
  Slice Merge(const PayloadWalker& walker, const Slice& own, Token at, uint32_t* bytes);

 private:
  struct Member {
    Slice key, text;
    bool is_overridden;
  };
  std::vector<Member>::iterator At(const Slice& key);
  Member* Find(const Slice& key);
  // The members of the object at `at` but for its ip.
  void AddAllButIp(const PayloadWalker& walker, Token at);

  Slice text_;   // as the client sent it
  Slice whole_;  // what an event without an object of its own gets
  std::vector<Member> members_;
  MemberBuffer with_sender_, merged_;
  Slice sender_;            // a member, where there is one
  bool is_direct_ = false;  // the batch asks for it
};

// What reading an event needs besides its text. Reused from event to event.
struct EventScratch {
  MemberBuffer extra;  // members we have no column for
  InheritedObject context, integrations;
};

// Reads one event into a new `event`. Its slices live as long as the payload, the parser's document and, until the next
// event, `scratch`. `type_of_path` overrides the event's own type unless it is kNone. An event's bytes
// are counted with what it inherits.
Token ReadEvent(const PayloadWalker& walker, Token at, EventType type_of_path,
                   const EventLimits& limits, EventScratch* scratch, TrackingEvent* event);

EventType EventTypeOf(const Slice& name);
// The field a member of an event is; kExtra for those without a column.
Field FieldOf(const Slice& key);

}  // namespace tributary
