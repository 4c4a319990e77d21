#include "decode_stage.h"

#include <pthread.h>


namespace tributary {

namespace {
const uint8_t* SenderOf(const SubmittedBatch& batch) {
  return batch.has_sender ? reinterpret_cast<const uint8_t*>(batch.payload + batch.length) : nullptr;
}
}  // namespace

std::string DecodeStage::Start(Region* segment) {
  std::string failure = decoder_.Attach(segment);
  if (!failure.empty()) return failure;
  segment_ = segment;
  thread_ = std::thread([this] { Run(); });
  return "";
}

void DecodeStage::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void DecodeStage::Submit(SubmittedBatch batch) {
  std::unique_lock<std::mutex> lock(mutex_);
  bool was_idle = submitted_.empty();
  submitted_.push_back({true, std::move(batch), 0});
  lock.unlock();
  if (was_idle) work_.notify_one();
}

void DecodeStage::Place(int64_t window_micros, uint64_t sequence) {
  std::lock_guard<std::mutex> lock(mutex_);
  SubmittedBatch empty{};
  empty.sequence = sequence;
  submitted_.push_back({false, std::move(empty), window_micros});
  work_.notify_one();
}

void DecodeStage::Attach(Region* segment) {
  std::lock_guard<std::mutex> lock(mutex_);
  answer_ = segment;
  is_answered_ = true;
  work_.notify_one();
}

void DecodeStage::Run() {
  pthread_setname_np(pthread_self(), "decoder");
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return is_stopping_ || !submitted_.empty(); });
    if (is_stopping_) return;
    Item item = std::move(submitted_.front());
    lock.unlock();
    ready_.push_back(Carry(item));
    lock.lock();
    // Kept until now, so that Submit() wakes this thread only when it may be asleep.
    submitted_.pop_front();
    bool is_more_coming = !submitted_.empty();
    if (is_more_coming && ready_.size() < batches_per_hand_over_) continue;
    lock.unlock();
    hand_over_(&ready_, is_more_coming);
    lock.lock();
  }
}

DecodedBatch DecodeStage::Carry(const Item& item) {
  DecodedBatch decoded;
  const SubmittedBatch& batch = item.batch;
  if (batch.sequence != 0) sequence_ = batch.sequence;
  if (!item.is_batch) {
    sequence_ += 1;
    decoded.kind = DecodedBatch::Kind::kPlaced;
    decoded.window_micros = item.window_micros;
    return decoded;
  }
  uint32_t events = 0;
  failure_.clear();
  decoded.failure = Decode(batch, &events);
  if (decoded.failure != DecodeFailure::kNone) {
    decoded.kind = DecodedBatch::Kind::kRefused;
    decoded.failure_text = std::move(failure_);
    return decoded;
  }
  decoded.kind = DecodedBatch::Kind::kRows;
  decoded.segment = segment_;
  decoded.received_at = batch.received_at;
  SegmentRows rows;
  rows.Attach(segment_);
  decoded.first = rows.staged_rows() - events;
  ReadMessageKeys(rows, decoded.first, events, window_secret_, &decoded.keys);
  decoded.notes = decoder_.TakeNotes();
  sequence_ += events;
  return decoded;
}

DecodeFailure DecodeStage::Decode(const SubmittedBatch& batch, uint32_t* events) {
  DecodeFailure failure = DecodeFailure::kSegmentFull;
  BatchFields fields{sequence_, batch.received_at,
                     {batch.source.data(), static_cast<uint32_t>(batch.source.size())},
                     batch.type_of_path, batch.codec, SenderOf(batch)};
  auto decode = [&] { return decoder_.Decode(batch.payload, batch.length, fields, events); };
  if (!needs_segment_) failure = decode();
  if (failure == DecodeFailure::kSegmentFull) {
    needs_segment_ = true;
    Region* next = AwaitSegment();
    if (next == nullptr) return DecodeFailure::kSegmentFull;
    failure_ = decoder_.Attach(next);
    if (!failure_.empty()) return DecodeFailure::kRegionFull;
    segment_ = next;
    needs_segment_ = false;
    failure = decode();
  }
  if (failure != DecodeFailure::kNone) failure_ = decoder_.failure_text();
  return failure;
}

Region* DecodeStage::AwaitSegment() {
  ready_.emplace_back();  // of kind kSegmentFull
  hand_over_(&ready_, false);
  std::unique_lock<std::mutex> lock(mutex_);
  work_.wait(lock, [this] { return is_stopping_ || is_answered_; });
  is_answered_ = false;
  return is_stopping_ ? nullptr : answer_;
}

}  // namespace tributary
