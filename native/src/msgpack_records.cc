#include "msgpack_records.h"

#include <cstring>
#include <utility>

#include "msgpack_tokens.h"

namespace tributary {

namespace {

constexpr uint64_t kKeyBytesMax = 4 << 20;

}  // namespace

RecordsOutcome MsgpackRecords::ExpandRow(Source* from, Target* to) {
  from_ = *from;
  to_ = *to;
  RecordsOutcome outcome = Expand();
  if (outcome == RecordsOutcome::kExpanded && key_bytes_ > kKeyBytesMax) {
    outcome = RecordsOutcome::kMalformed;
  }
  if (outcome == RecordsOutcome::kExpanded) {
    *from = from_;
    *to = to_;
  } else {
    for (auto before = replaced_.rbegin(); before != replaced_.rend(); ++before) {
      Define(before->first, std::move(before->second));
    }
  }
  replaced_.clear();
  outer_.clear();
  return outcome;
}

RecordsOutcome MsgpackRecords::Expand() {
  now_ = {1, nullptr};
  for (;;) {
    if (now_.left > 0) {
      RecordsOutcome outcome = Value();
      if (outcome != RecordsOutcome::kExpanded) return outcome;
    } else if (outer_.empty()) {
      return RecordsOutcome::kExpanded;
    } else {
      now_ = std::move(outer_.back());
      outer_.pop_back();
    }
  }
}

// The next value, up to those within it, which are next then; behind its key, where a record has one for it.
RecordsOutcome MsgpackRecords::Value() {
  if (now_.shape != nullptr) {
    const Shape& shape = *now_.shape;
    uint64_t index = shape.ends.size() - now_.left;
    uint32_t start = index == 0 ? 0 : shape.ends[index - 1];
    RecordsOutcome outcome = Write(shape.keys.data() + start, shape.ends[index] - start);
    if (outcome != RecordsOutcome::kExpanded) return outcome;
  }
  now_.left--;
  if (from_.at >= from_.length) return RecordsOutcome::kCutOff;
  uint8_t token = from_.bytes[from_.at];
  if (token >= kRecordIdMin && token < kRecordIdEnd && IsDefined(token & kRecordIdMask)) {
    from_.at++;
    return Reference(token & kRecordIdMask);
  }
  return Token(token);
}

RecordsOutcome MsgpackRecords::Token(uint8_t token) {
  const uint64_t start = from_.at++;
  if (token < 0x80 || token >= 0xe0) return Copy(start, 0);
  if (token < 0xa0) {
    uint64_t count = token & 0x0fu;
    Enter(token < 0x90 ? 2 * count : count, nullptr);
    return Copy(start, 0);
  }
  if (token < 0xc0) return Copy(start, token & 0x1fu);
  const MsgpackToken& described = kMsgpackTokens[token - 0xc0];
  if (described.kind == TokenKind::kNever) return RecordsOutcome::kMalformed;
  uint64_t count;
  if (!ReadLength(described.length_bytes, &count)) return RecordsOutcome::kCutOff;
  switch (described.kind) {
    case TokenKind::kMap:
      Enter(2 * count, nullptr);
      return Copy(start, 0);
    case TokenKind::kArray:
      Enter(count, nullptr);
      return Copy(start, 0);
    case TokenKind::kExtension:
      if (from_.at >= from_.length) return RecordsOutcome::kCutOff;
      if (from_.bytes[from_.at] == kRecordExtension) {
        from_.at++;
        uint64_t id_bytes = described.fixed_bytes - 1u + count;
        return id_bytes == 1 || id_bytes == 2 ? Definition(static_cast<uint32_t>(id_bytes))
                                              : RecordsOutcome::kMalformed;
      }
      return Copy(start, described.fixed_bytes + count);
    default:
      return Copy(start, described.fixed_bytes + count);
  }
}

RecordsOutcome MsgpackRecords::Definition(uint32_t id_bytes) {
  if (from_.length - from_.at <= id_bytes) return RecordsOutcome::kCutOff;
  const uint8_t* id = from_.bytes + from_.at;
  uint32_t index = id[0] & kRecordIdMask;
  if (id_bytes == 2) {
    if (index < kSecondByteIdMin) return RecordsOutcome::kMalformed;
    index += id[1] * kSecondByteStep;
  }
  from_.at += id_bytes;
  uint8_t token = from_.bytes[from_.at++];
  bool is_short = token >= 0x90 && token < 0xa0;
  if (!is_short && token != 0xdc && token != 0xdd) return RecordsOutcome::kMalformed;
  uint64_t count = token & 0x0fu;
  if (!is_short && !ReadLength(token == 0xdc ? 2 : 4, &count)) return RecordsOutcome::kCutOff;
  if (count > from_.length - from_.at) return RecordsOutcome::kCutOff;
  auto shape = std::make_shared<Shape>();
  shape->has_second_byte = id_bytes == 2 && id[1] == 0;
  for (uint64_t i = 0; i < count; i++) {
    RecordsOutcome outcome = ReadKey(shape.get());
    if (outcome != RecordsOutcome::kExpanded) return outcome;
  }
  replaced_.emplace_back(index, Define(index, shape));
  return Begin(std::move(shape));
}

// A key of a definition: a string.
RecordsOutcome MsgpackRecords::ReadKey(Shape* shape) {
  const uint64_t start = from_.at;
  if (start >= from_.length) return RecordsOutcome::kCutOff;
  uint8_t token = from_.bytes[from_.at++];
  uint64_t bytes = token & 0x1fu;
  if (token >= 0xd9 && token <= 0xdb) {
    if (!ReadLength(1 << (token - 0xd9), &bytes)) return RecordsOutcome::kCutOff;
  } else if (token < 0xa0 || token >= 0xc0) {
    return RecordsOutcome::kMalformed;
  }
  if (bytes > from_.length - from_.at) return RecordsOutcome::kCutOff;
  from_.at += bytes;
  shape->keys.append(reinterpret_cast<const char*>(from_.bytes + start), from_.at - start);
  shape->ends.push_back(static_cast<uint32_t>(shape->keys.size()));
  return RecordsOutcome::kExpanded;
}

RecordsOutcome MsgpackRecords::Reference(uint32_t id) {
  ShapePointer shape = Find(id);
  if (shape->has_second_byte) {
    if (from_.at >= from_.length) return RecordsOutcome::kCutOff;
    shape = Find(id + from_.bytes[from_.at++] * kSecondByteStep);
    if (shape == nullptr) return RecordsOutcome::kMalformed;
  }
  return Begin(std::move(shape));
}

// The head of a map of the record's keys, whose values are next.
RecordsOutcome MsgpackRecords::Begin(ShapePointer shape) {
  size_t count = shape->ends.size();
  uint8_t head[5] = {static_cast<uint8_t>(0x80 | count)};
  uint64_t length = 1;
  if (count > 0x0f) {
    length = count > 0xffff ? 5 : 3;
    head[0] = count > 0xffff ? 0xdf : 0xde;
    for (uint64_t i = 1; i < length; i++) {
      head[i] = static_cast<uint8_t>(count >> (8 * (length - 1 - i)));
    }
  }
  Enter(count, std::move(shape));
  return Write(head, length);
}

// The values come next, then those that were left before. Of arrays and maps it need not be known which is which.
void MsgpackRecords::Enter(uint64_t values, ShapePointer shape) {
  if (shape == nullptr && now_.shape == nullptr) {
    now_.left += values;  // less than 2^34 for each token
    return;
  }
  outer_.push_back(std::move(now_));
  now_ = {values, std::move(shape)};
}

// Copies what was read from `start` on, and `bytes` behind it.
RecordsOutcome MsgpackRecords::Copy(uint64_t start, uint64_t bytes) {
  if (bytes > from_.length - from_.at) return RecordsOutcome::kCutOff;
  from_.at += bytes;
  return Write(from_.bytes + start, from_.at - start);
}

RecordsOutcome MsgpackRecords::Write(const void* bytes, uint64_t length) {
  if (length > to_.capacity - to_.at) return RecordsOutcome::kNoRoom;
  memcpy(to_.bytes + to_.at, bytes, length);
  to_.at += length;
  return RecordsOutcome::kExpanded;
}

bool MsgpackRecords::ReadLength(int bytes, uint64_t* length) {
  if (static_cast<uint64_t>(bytes) > from_.length - from_.at) return false;
  *length = 0;
  for (int i = 0; i < bytes; i++) *length = *length << 8 | from_.bytes[from_.at++];
  return true;
}

MsgpackRecords::ShapePointer MsgpackRecords::Find(uint32_t index) const {
  return index < shapes_.size() ? shapes_[index] : nullptr;
}

// Returns what `index` stood for before.
MsgpackRecords::ShapePointer MsgpackRecords::Define(uint32_t index, ShapePointer shape) {
  if (index >= shapes_.size()) shapes_.resize(index + 1);
  std::swap(shapes_[index], shape);
  if (shape != nullptr) key_bytes_ -= shape->keys.size();
  if (shapes_[index] != nullptr) key_bytes_ += shapes_[index]->keys.size();
  return shape;
}

}  // namespace tributary
