#include "tracking_event.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "timestamp.h"

namespace tributary {

MemberBuffer::~MemberBuffer() { free(data_); }

void MemberBuffer::Append(const char* data, size_t length) {
  if (length_ + length > capacity_) {
    size_t capacity = (length_ + length) * 2;
    void* grown = realloc(data_, capacity);
    if (grown == nullptr) abort();  // out of memory: nothing sensible is left to do
    data_ = static_cast<char*>(grown);
    capacity_ = capacity;
  }
  memcpy(data_ + length_, data, length);
  length_ += length;
}

void MemberBuffer::AddMember(const Slice& member) {
  Append(length_ == 0 ? "{" : ",", 1);
  Append(member.data, member.length);
}

Slice MemberBuffer::Finish() {
  Append("}", 1);
  return {data_, static_cast<uint32_t>(length_)};
}

namespace {

const Slice kIpKey{"ip", 2};
const Slice kDirectKey{"direct", 6};

bool KeyBefore(const Slice& left, const Slice& right) {
  if (left.length != right.length) return left.length < right.length;
  return memcmp(left.data, right.data, left.length) < 0;
}

bool IsSame(const Slice& left, const Slice& right) {
  return left.length == right.length && memcmp(left.data, right.data, left.length) == 0;
}

// Whether the value of a member is `true`: the text of no other value ends so.
bool SaysTrue(const Slice& member) {
  return member.length > 4 && memcmp(member.data + member.length - 4, "true", 4) == 0;
}

}  // namespace

void InheritedObject::Clear() {
  text_ = {};
  whole_ = {};
  sender_ = {};
  is_direct_ = false;
  members_.clear();
}

void InheritedObject::Read(const PayloadWalker& walker, Token at) {
  Clear();
  Token end = walker.EachMember(at, [&](Slice key, Token key_token, Token value) {
    Token behind = walker.Skip(value);
    members_.push_back({key, walker.RawBetween(key_token, behind), false});
    return behind;
  });
  text_ = walker.RawBetween(at, end);
  whole_ = text_;
  auto before = [](const Member& left, const Member& right) {
    return KeyBefore(left.key, right.key);
  };
  // The last of equal keys comes first in the reversed order, and is the one that unique() keeps.
  std::reverse(members_.begin(), members_.end());
  std::stable_sort(members_.begin(), members_.end(), before);
  auto same = [&](const Member& left, const Member& right) { return !before(left, right); };
  members_.erase(std::unique(members_.begin(), members_.end(), same), members_.end());
}

std::vector<InheritedObject::Member>::iterator InheritedObject::At(const Slice& key) {
  auto before = [](const Member& member, const Slice& sought) {
    return KeyBefore(member.key, sought);
  };
  return std::lower_bound(members_.begin(), members_.end(), key, before);
}

InheritedObject::Member* InheritedObject::Find(const Slice& key) {
  auto found = At(key);
  return found == members_.end() || KeyBefore(key, found->key) ? nullptr : &*found;
}

void InheritedObject::AddSender(const Slice& ip) {
  sender_ = ip;
  const Member* direct = Find(kDirectKey);
  is_direct_ = direct != nullptr && SaysTrue(direct->text);
  bool is_said = Find(kIpKey) != nullptr;
  if (!is_said) members_.insert(At(kIpKey), {kIpKey, sender_, false});
  if (is_said && !is_direct_) return;
  with_sender_.Clear();
  for (const Member& member : members_) {
    with_sender_.AddMember(IsSame(member.key, kIpKey) ? sender_ : member.text);
  }
  whole_ = with_sender_.Finish();
}

void InheritedObject::AddAllButIp(const PayloadWalker& walker, Token at) {
  walker.EachMember(at, [&](Slice key, Token key_token, Token value) {
    Token behind = walker.Skip(value);
    if (!IsSame(key, kIpKey)) merged_.AddMember(walker.RawBetween(key_token, behind));
    return behind;
  });
}

Slice InheritedObject::Merge(const PayloadWalker& walker, const Slice& own, Token at,
                             uint32_t* bytes) {
  if (!own.present()) {
    *bytes += text_.length;
    return whole_;
  }
  if (members_.empty()) return own;
  for (Member& member : members_) member.is_overridden = false;
  merged_.Clear();
  bool is_own_empty = true;
  bool is_direct = is_direct_;
  walker.EachMember(at, [&](Slice key, Token, Token value) {
    is_own_empty = false;
    Member* member = Find(key);
    if (member != nullptr) member->is_overridden = true;
    if (IsSame(key, kDirectKey)) is_direct = walker.type_at(value) == 't';
    return walker.Skip(value);
  });
  bool takes_sender = is_direct && sender_.present();
  bool drops_own_ip = false;
  uint32_t senders_bytes = 0;
  for (const Member& member : members_) {
    bool is_ours = takes_sender && IsSame(member.key, kIpKey);
    if (member.is_overridden && !is_ours) continue;
    drops_own_ip = drops_own_ip || member.is_overridden;
    Slice text = is_ours ? sender_ : member.text;
    if (text.data == sender_.data) senders_bytes = text.length + 1;
    merged_.AddMember(text);
  }
  if (merged_.empty()) return own;
  // Between the braces of its own text lie the event's members, white space and all.
  if (drops_own_ip) AddAllButIp(walker, at);
  else if (!is_own_empty) merged_.AddMember({own.data + 1, own.length - 2});
  Slice merged = merged_.Finish();
  *bytes += merged.length - own.length - senders_bytes;  // below zero where the event's own ip was longer
  return merged;
}

namespace {

bool Is(const Slice& slice, const char* text, uint32_t length) {
  return IsSame(slice, {text, length});
}

void ReadTimestamp(const PayloadWalker& walker, Token at, Field field, bool* has, int64_t* micros,
                   TrackingEvent* event) {
  char type = walker.type_at(at);
  *has = false;
  if (type == 'n') return;
  if (type != '"') {
    event->FaultOf(field) = RejectCode::kFieldType;
    return;
  }
  Slice text = walker.string_at(at);
  if (text.length == 0) return;
  *has = ParseTimestamp(text.data, text.length, micros);
  if (!*has) event->FaultOf(field) = RejectCode::kTimestampInvalid;
}

// A string, or a number as its digits (SDKs send numeric ids); null and "" mean absent.
Slice ReadIdentifier(const PayloadWalker& walker, Token at, Field field, uint32_t bytes_max,
                     TrackingEvent* event) {
  Slice text;
  switch (walker.type_at(at)) {
    case '"':
      text = walker.string_at(at);
      break;
    case 'n':
      return {};
    default:
      if (IsNumber(walker.type_at(at))) {
        text = walker.RawBetween(at, at + 1);
        break;
      }
      event->FaultOf(field) = RejectCode::kFieldType;
      return {};
  }
  if (text.length == 0) return {};
  if (text.length > bytes_max) {
    event->FaultOf(field) = RejectCode::kFieldTooLong;
    return {};
  }
  return text;
}

// Adds to `field` of the event, at `own`, what the batch says of it. Returns the client's bytes added.
uint32_t Inherit(const PayloadWalker& walker, Token own, InheritedObject* inherited, Field field,
                 TrackingEvent* event) {
  if (inherited->empty()) return 0;
  uint32_t bytes = 0;
  (*event)[field] = inherited->Merge(walker, (*event)[field], own, &bytes);
  return bytes;
}

void Validate(TrackingEvent* event) {
  const TrackingEvent& read = *event;
  bool has_user = read[Field::kUserId].present() || read[Field::kAnonymousId].present();
  switch (event->type) {
    case EventType::kNone:
      return event->Reject(RejectCode::kTypeUnknown, Field::kType);
    case EventType::kTrack:
      if (!read[Field::kEvent].present()) event->Reject(RejectCode::kFieldMissing, Field::kEvent);
      break;
    case EventType::kGroup:
      if (!read[Field::kGroupId].present()) {
        event->Reject(RejectCode::kFieldMissing, Field::kGroupId);
      }
      has_user = true;  // SDKs send group calls about an account alone
      break;
    case EventType::kAlias:
      if (!read[Field::kPreviousId].present()) {
        event->Reject(RejectCode::kFieldMissing, Field::kPreviousId);
      }
      has_user = true;  // the previous id is an identifier itself
      break;
    default:
      break;
  }
  if (!has_user) event->Reject(RejectCode::kNotIdentifiable, Field::kUserId);
}

}  // namespace

EventType EventTypeOf(const Slice& name) {
  if (Is(name, "track", 5)) return EventType::kTrack;
  if (Is(name, "identify", 8)) return EventType::kIdentify;
  if (Is(name, "page", 4)) return EventType::kPage;
  if (Is(name, "screen", 6)) return EventType::kScreen;
  if (Is(name, "group", 5)) return EventType::kGroup;
  if (Is(name, "alias", 5)) return EventType::kAlias;
  return EventType::kNone;
}

Field FieldOf(const Slice& key) {
#define MATCH(text, field) \
  if (memcmp(key.data, text, sizeof(text) - 1) == 0) return field
  switch (key.length) {
    case 4:
      MATCH("type", Field::kType);
      MATCH("name", Field::kName);
      break;
    case 5:
      MATCH("event", Field::kEvent);
      break;
    case 6:
      MATCH("userId", Field::kUserId);
      MATCH("traits", Field::kTraits);
      MATCH("sentAt", Field::kSentAt);
      break;
    case 7:
      MATCH("context", Field::kContext);
      MATCH("groupId", Field::kGroupId);
      break;
    case 9:
      MATCH("messageId", Field::kMessageId);
      MATCH("timestamp", Field::kTimestamp);
      break;
    case 10:
      MATCH("properties", Field::kProperties);
      MATCH("previousId", Field::kPreviousId);
      break;
    case 11:
      MATCH("anonymousId", Field::kAnonymousId);
      break;
    case 12:
      MATCH("integrations", Field::kIntegrations);
      break;
    case 17:
      MATCH("originalTimestamp", Field::kOriginalTimestamp);
      break;
    default:
      break;
  }
#undef MATCH
  return Field::kExtra;
}

Token ReadEvent(const PayloadWalker& walker, Token at, EventType type_of_path,
                   const EventLimits& limits, EventScratch* scratch, TrackingEvent* event) {
  event->type = type_of_path;
  MemberBuffer* extra = &scratch->extra;
  extra->Clear();
  Token context{}, integrations{};
  if (walker.type_at(at) != '{') {
    event->Reject(RejectCode::kNotObject, Field::kNone);
    return walker.Skip(at);
  }
  Token end = walker.EachMember(at, [&](Slice key, Token key_token, Token value) {
    Token behind = walker.Skip(value);
    Field field = FieldOf(key);
    event->FaultOf(field) = RejectCode::kNone;
    char type = walker.type_at(value);
    switch (field) {
      case Field::kType:
        if (type_of_path != EventType::kNone) break;
        event->type = type == '"' ? EventTypeOf(walker.string_at(value)) : EventType::kNone;
        break;
      case Field::kEvent:
      case Field::kName:
        (*event)[field] = ReadIdentifier(walker, value, field, limits.event_name_bytes_max, event);
        break;
      case Field::kMessageId:
        (*event)[field] = ReadIdentifier(walker, value, field, limits.message_id_bytes_max, event);
        break;
      case Field::kUserId:
      case Field::kAnonymousId:
      case Field::kGroupId:
      case Field::kPreviousId:
        (*event)[field] = ReadIdentifier(walker, value, field, limits.identifier_bytes_max, event);
        break;
      case Field::kTimestamp:
        ReadTimestamp(walker, value, field, &event->has_timestamp, &event->timestamp, event);
        break;
      case Field::kOriginalTimestamp:
        ReadTimestamp(walker, value, field, &event->has_original_timestamp,
                      &event->original_timestamp, event);
        break;
      case Field::kSentAt:
        ReadTimestamp(walker, value, field, &event->has_sent_at, &event->sent_at, event);
        break;
      case Field::kProperties:
      case Field::kTraits:
      case Field::kContext:
      case Field::kIntegrations:
        (*event)[field] = {};
        if (type == '{') (*event)[field] = walker.RawBetween(value, behind);
        else if (type != 'n') event->FaultOf(field) = RejectCode::kFieldType;
        if (field == Field::kContext) context = value;
        if (field == Field::kIntegrations) integrations = value;
        break;
      default:
        // A credential is not data; everything else is kept.
        if (!Is(key, "writeKey", 8)) {
          extra->AddMember(walker.RawBetween(key_token, behind));
        }
    }
    return behind;
  });
  if (!extra->empty()) (*event)[Field::kExtra] = extra->Finish();
  for (uint8_t field = 0; field < static_cast<uint8_t>(Field::kCount); field++) {
    if (event->fault[field] == RejectCode::kNone) continue;
    event->Reject(event->fault[field], static_cast<Field>(field));
  }
  uint32_t bytes = walker.offset_of(end - 1) + 1 - walker.offset_of(at);
  bytes += Inherit(walker, context, &scratch->context, Field::kContext, event);
  bytes += Inherit(walker, integrations, &scratch->integrations, Field::kIntegrations, event);
  if (bytes > limits.event_bytes_max) event->Reject(RejectCode::kEventTooLarge, Field::kNone);
  Validate(event);
  return end;
}

}  // namespace tributary
