#include "message_window.h"

#include <algorithm>

#include "hash.h"

namespace tributary {

namespace {

// Columns of `events`; event_decoder.cc checks that they are in their places.
constexpr uint32_t kMessageIdColumn = 1;
constexpr uint32_t kEventColumn = 3;
constexpr uint32_t kFingerprintTextColumns[] = {5, 6, 15, 16};  // ids, properties, traits
constexpr uint32_t kRowsAhead = 16;  // whose slots are being fetched

uint32_t FingerprintOf(const SegmentRows& rows, uint32_t row, uint64_t secret) {
  uint64_t hash = secret;
  const ColumnDescriptor& event = rows.column(kEventColumn);
  if (rows.valid(event, row)) {
    Slice name = rows.dictionary_text(event, rows.code(event, row));
    hash = HashBytes(name.data, name.length, hash);
  }
  for (uint32_t column : kFingerprintTextColumns) {
    Slice text = rows.text(rows.column(column), row);
    if (text.present()) hash = HashBytes(text.data, text.length, hash + column);
  }
  return static_cast<uint32_t>(hash >> 32);
}

}  // namespace

void MessageWindow::SetWindow(int64_t window_micros) {
  span_micros_ = std::max<int64_t>(window_micros / (kGenerations - 1), 1);
}

void ReadMessageKeys(const SegmentRows& rows, uint32_t first, uint32_t count, uint64_t secret,
                     std::vector<MessageKey>* keys) {
  keys->resize(count);
  const ColumnDescriptor& ids = rows.column(kMessageIdColumn);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t row = first + i;
    MessageKey& key = (*keys)[i];
    key = {0, 0};
    if (rows.hidden(row)) continue;
    Slice id = rows.text(ids, row);
    uint64_t hash = HashBytes(id.data, id.length, secret);
    key = {hash == 0 ? 1 : hash, FingerprintOf(rows, row, secret)};
  }
}

uint32_t MessageWindow::HideDuplicates(SegmentRows* rows, uint32_t first,
                                       const std::vector<MessageKey>& keys, int64_t received_at,
                                       std::vector<uint32_t>* differing) {
  RotateTo(received_at);
  const uint32_t count = static_cast<uint32_t>(keys.size());
  auto prefetch = [&](uint32_t i) {
    for (uint32_t g = 0; g < kGenerations; g++) {
      if (g != current_) generations_[g].Prefetch(keys[i].hash);
    }
    generations_[current_].PrefetchForAdding(keys[i].hash);
  };
  for (uint32_t i = 0; i < std::min(count, kRowsAhead); i++) prefetch(i);
  uint32_t hidden = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (i + kRowsAhead < count) prefetch(i + kRowsAhead);
    const MessageKey& key = keys[i];
    if (key.hash == 0) continue;
    const uint32_t* known = Find(key.hash);
    if (known == nullptr) {
      generations_[current_].Add(key.hash, key.fingerprint);
      continue;
    }
    if (*known != key.fingerprint) differing->push_back(i);
    rows->Hide(first + i);
    hidden++;
  }
  NoteMemory();
  return hidden;
}

void MessageWindow::NoteMemory() {
  uint64_t bytes = 0;
  for (const FingerprintMap& generation : generations_) bytes += generation.bytes();
  memory_bytes_.store(bytes, std::memory_order_relaxed);
}

MessageWindow::Head MessageWindow::head() const {
  Head head{span_micros_, span_ends_, current_, {}, {}};
  for (uint32_t i = 0; i < kGenerations; i++) {
    head.groups[i] = generations_[i].groups();
    head.counts[i] = generations_[i].count();
  }
  return head;
}

bool MessageWindow::Restore(const Head& head) {
  if (head.current >= kGenerations || head.span_micros < 1) return false;
  for (uint32_t i = 0; i < kGenerations; i++) {
    if (!generations_[i].Restore(head.groups[i], head.counts[i])) return false;
  }
  span_micros_ = head.span_micros;
  span_ends_ = head.span_ends;
  current_ = static_cast<uint32_t>(head.current);
  NoteMemory();
  return true;
}

FingerprintMap* MessageWindow::table(uint32_t generation) {
  if (generation < 1 || generation > kGenerations) return nullptr;
  return &generations_[generation - 1];
}

const uint32_t* MessageWindow::Find(uint64_t hash) const {
  for (const FingerprintMap& generation : generations_) {
    const uint32_t* known = generation.Find(hash);
    if (known != nullptr) return known;
  }
  return nullptr;
}

// Opens a new generation for each span that has passed, which drops the oldest.
void MessageWindow::RotateTo(int64_t received_at) {
  if (span_ends_ == 0) span_ends_ = received_at + span_micros_;
  for (uint32_t turns = 0; received_at >= span_ends_; turns++) {
    if (turns == kGenerations) {  // a long silence: everything is out of the window already
      span_ends_ = received_at + span_micros_;
      break;
    }
    current_ = (current_ + 1) % kGenerations;
    generations_[current_].Clear();
    span_ends_ += span_micros_;
  }
}

}  // namespace tributary
