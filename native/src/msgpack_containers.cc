// The walk of MsgpackParser through what holds other values: maps, arrays and records, whose members become the
// outline of events.
#include <algorithm>

#include "msgpack_parser.h"
#include "msgpack_scalars.h"
#include "msgpack_tokens.h"
#include "msgpack_walk.h"

namespace tributary {

namespace {

// What plain members have reserved for their text: few objects need more.
constexpr size_t kPlainRoomBytes = 4096;

// Numbers, booleans and nil: what may be the key of a map besides a string.
bool IsScalarToken(uint8_t token) {
  return token < 0x80 || token >= 0xe0 || token == 0xc0 || token == 0xc2 || token == 0xc3 ||
         IsNumberToken(token);
}

}  // namespace

PlainPlace MsgpackParser::Here() { return {in_.at(), out_.Reserve(kPlainRoomBytes)}; }

PlainWay MsgpackParser::WayFrom(PlainPlace here) const {
  return {here.in + in_.remaining(), here.to + kPlainRoomBytes, shapes_.any() ? &shapes_ : nullptr};
}

void MsgpackParser::GoTo(PlainPlace there) {
  in_.Advance(static_cast<size_t>(there.in - in_.at()));
  out_.Finish(there.to);
}

// The short way for a short string.
inline bool MsgpackParser::OutlinedString(uint32_t depth, uint32_t start) {
  if (in_.remaining() < kPlainMemberBytesMax || depth >= limits_.depth_max) return false;
  if (!IsPlainStringToken(in_.Peek())) return false;
  PlainPlace here = Here();
  PlainPlace behind = WayFrom(here).String(here);
  if (behind.to == nullptr) return false;
  GoTo(behind);
  outline_.Put(start);
  return true;
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

// The short way for what most objects consist of. Ends before the first member that is anything else. Of an object
// that is walked it takes nothing at the root, where keys have a meaning to this parser, and objects only of events
// that merge nothing into them.
template <bool kIsWalked, typename Keys>
uint32_t MsgpackParser::PlainMembers(Keys keys, uint32_t count, bool is_first, uint32_t depth) {
  if ((kIsWalked && depth == 0) || depth + 1 + kPlainLevels >= limits_.depth_max) return 0;
  const bool takes_objects = !kIsWalked || (depth == kEventDepth && !has_inheritance_);
  PlainPlace next = Here();
  const PlainWay way = WayFrom(next);
  auto offset = [&](const char* at) { return static_cast<uint32_t>(at - out_.data()); };
  uint32_t done = 0;
  for (; done < count && way.HasMember(next); done++) {
    *next.to = ',';
    PlainPlace value = keys.Write({next.in, next.to + !is_first});
    if (value.to == nullptr) break;
    PlainPlace behind = takes_objects ? way.Value<kPlainLevels>(value) : way.Value<0>(value);
    if (behind.to == nullptr) break;
    if (kIsWalked) {
      outline_.Member(offset(next.to), is_first, offset(value.to), offset(behind.to) - 1, *value.to == '{');
    }
    next = behind;
    is_first = false;
  }
  GoTo(next);
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
  outline_.Key(static_cast<uint32_t>(start), is_first, TextLength() - 1);
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

bool MsgpackParser::Key(bool is_first, uint32_t depth) {
  if (in_.remaining() == 0) return CutOff() == Outcome::kText;
  uint8_t token = in_.Peek();
  if (!IsStringToken(token)) return ScalarKey(is_first, depth);
  if (!TakeString()) return false;
  out_.Key(is_first, string_);
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

// `shape` by value: a record inside may define the same id anew.
MsgpackParser::Outcome MsgpackParser::Record(MsgpackShape shape, uint32_t depth, bool is_walked) {
  if (shape.count > in_.remaining()) return CutOff();
  size_t opened = Open('{', is_walked);
  bool is_first = true;
  for (uint32_t i = 0; i < shape.count; i++) {
    uint32_t left = shape.count - i;
    RecordKeys keys = shapes_.KeysFrom(shape, i);
    uint32_t plain = is_walked ? PlainMembers<true>(keys, left, is_first, depth)
                               : PlainMembers<false>(keys, left, is_first, depth);
    i += plain;
    is_first = is_first && plain == 0;
    if (i == shape.count) break;
    size_t start = out_.length();
    const RecordField& field = shapes_.FieldOf(shape, i);
    out_.QuotedKey(is_first, shapes_.TextOf(field), field.length);
    string_ = field.key;
    Outcome value = Member(start, is_first, depth, is_walked);
    if (value == Outcome::kFailed) return value;
    is_first = is_first && value == Outcome::kUndefined;
  }
  return Close('}', is_walked, opened, shape.count);
}

}  // namespace tributary
