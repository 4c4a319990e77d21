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

void DecodeStage::Resume() {
  std::lock_guard<std::mutex> lock(mutex_);
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
  decoded.claim = claim_;
  sequence_ += events;
  return decoded;
}

DecodeFailure DecodeStage::Decode(const SubmittedBatch& batch, uint32_t* events) {
  DecodeFailure failure = DecodeFailure::kSegmentFull;
  bool has_new_segment = false, has_asked = false;
  for (;;) {
    if (!needs_segment_) failure = DecodeOnce(batch, events);
    if (failure == DecodeFailure::kSegmentFull && !has_new_segment) {
      has_new_segment = true;
      if (!TakeNextSegment(&failure)) return failure;
    } else if (failure == DecodeFailure::kIdentityFull && !has_asked) {
      has_asked = true;
      DecodedBatch question;
      question.kind = DecodedBatch::Kind::kRoomNeeded;
      question.claim = claim_;
      if (!Ask(std::move(question))) return failure;
    } else {
      return failure;
    }
  }
}

DecodeFailure DecodeStage::DecodeOnce(const SubmittedBatch& batch, uint32_t* events) {
  BatchFields fields{sequence_, batch.received_at,
                     {batch.source.data(), static_cast<uint32_t>(batch.source.size())},
                     batch.type_of_path, batch.codec, SenderOf(batch), batch.joined_rows};
  is_claimed_ = false;
  DecodeFailure failure = decoder_.Decode(batch.payload, batch.length, fields, events);
  if (failure == DecodeFailure::kNone) return failure;
  if (is_claimed_) resolver_->Release(claim_);
  failure_ = decoder_.failure_text();
  return failure;
}

std::string DecodeStage::Claim(uint32_t events, uint32_t text_bytes) {
  claim_ = {uint64_t{events} * kIdentifiersPerRowMax, text_bytes};
  std::string failure = resolver_->Claim(claim_);
  is_claimed_ = failure.empty();
  return failure;
}

bool DecodeStage::TakeNextSegment(DecodeFailure* failure) {
  needs_segment_ = true;
  DecodedBatch question;
  question.kind = DecodedBatch::Kind::kSegmentFull;
  *failure = DecodeFailure::kSegmentFull;
  if (!Ask(std::move(question)) || answer_ == nullptr) return false;
  failure_ = decoder_.Attach(answer_);
  if (!failure_.empty()) {
    *failure = DecodeFailure::kRegionFull;
    return false;
  }
  segment_ = answer_;
  needs_segment_ = false;
  return true;
}

bool DecodeStage::Ask(DecodedBatch question) {
  ready_.push_back(std::move(question));
  hand_over_(&ready_, false);
  std::unique_lock<std::mutex> lock(mutex_);
  work_.wait(lock, [this] { return is_stopping_ || is_answered_; });
  is_answered_ = false;
  return !is_stopping_;
}

}  // namespace tributary
