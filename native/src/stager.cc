#include "stager.h"

#include <pthread.h>

#include <algorithm>

namespace tributary {

namespace {
// Results that are told of at once while there is more to stage; the last of a queue is told of anyway.
constexpr size_t kResultsPerWake = 8;
}  // namespace

Stager::Stager(StagerOptions options)
    : options_(std::move(options)),
      decoder_(options_.limits),
      window_(options_.window_micros, options_.window_secret),
      sequence_(options_.next_sequence) {}

std::string Stager::Start(Region* segment) {
  std::string failure = decoder_.Attach(segment);
  if (!failure.empty()) return failure;
  segment_ = segment;
  thread_ = std::thread([this] { Run(); });
  return "";
}

void Stager::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Stager::Submit(StagedBatch batch) {
  std::unique_lock<std::mutex> lock(mutex_);
  bool was_idle = submitted_.empty();
  submitted_.push_back({true, std::move(batch), 0});
  lock.unlock();
  if (was_idle) work_.notify_one();
}

void Stager::Place(int64_t window_micros, uint64_t sequence) {
  std::lock_guard<std::mutex> lock(mutex_);
  StagedBatch empty{};
  empty.sequence = sequence;
  submitted_.push_back({false, std::move(empty), window_micros});
  work_.notify_one();
}

void Stager::Attach(Region* segment) {
  std::lock_guard<std::mutex> lock(mutex_);
  answer_ = segment;
  is_answered_ = true;
  work_.notify_one();
}

void Stager::Run() {
  pthread_setname_np(pthread_self(), "stager");
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return is_stopping_ || !submitted_.empty(); });
    if (is_stopping_) return;
    Item item = std::move(submitted_.front());
    StagerResult result;
    if (!spare_.empty()) {
      result.words = std::move(spare_.back());
      spare_.pop_back();
    }
    lock.unlock();
    result.words.clear();
    if (item.batch.sequence != 0) sequence_ = item.batch.sequence;
    if (item.is_batch) {
      StageBatch(item.batch, &result);
    } else {
      if (item.window_micros >= 0) window_.SetWindow(item.window_micros);
      sequence_ += 1;
      result.words.push_back(static_cast<uint32_t>(StagerOutcome::kPlaced));
    }
    lock.lock();
    // Kept until now, so that Submit() wakes this thread only when it may be asleep.
    submitted_.pop_front();
    Publish(std::move(result), &lock);
  }
}

void Stager::Publish(StagerResult result, std::unique_lock<std::mutex>* lock) {
  bool is_pressing = submitted_.empty() ||
                     result.words[0] == static_cast<uint32_t>(StagerOutcome::kSegmentFull);
  results_.push_back(std::move(result));
  if (is_notified_ || (!is_pressing && results_.size() < kResultsPerWake)) return;
  is_notified_ = true;
  lock->unlock();
  options_.notify();
  lock->lock();
}

Region* Stager::AwaitSegment() {
  std::unique_lock<std::mutex> lock(mutex_);
  Publish({{static_cast<uint32_t>(StagerOutcome::kSegmentFull)}, "", ""}, &lock);
  work_.wait(lock, [this] { return is_stopping_ || is_answered_; });
  is_answered_ = false;
  return is_stopping_ ? nullptr : answer_;
}

DecodeFailure Stager::Decode(const StagedBatch& batch, uint32_t* events) {
  DecodeFailure failure = DecodeFailure::kSegmentFull;
  BatchFields fields{sequence_, batch.received_at,
                     {batch.source.data(), static_cast<uint32_t>(batch.source.size())},
                     batch.type_of_path, batch.codec};
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

void Stager::StageBatch(const StagedBatch& batch, StagerResult* result) {
  std::vector<uint32_t>& words = result->words;
  uint32_t events = 0;
  failure_.clear();
  DecodeFailure failure = Decode(batch, &events);
  if (failure != DecodeFailure::kNone) {
    words = {static_cast<uint32_t>(StagerOutcome::kRefused), static_cast<uint32_t>(failure)};
    result->failure = failure_;
    return;
  }
  SegmentRows rows;
  rows.Attach(segment_);
  uint32_t first = rows.staged_rows() - events;
  differing_.clear();
  uint32_t duplicates = window_.HideDuplicates(&rows, first, events, batch.received_at, &differing_);
  constexpr size_t kHeaderWords = 8;
  words.resize(kHeaderWords);
  uint32_t nodes = options_.resolver->Resolve(rows, first, events, &words);
  const Notes& notes = decoder_.notes();
  uint32_t header[kHeaderWords] = {static_cast<uint32_t>(StagerOutcome::kStaged), first, events,
                                   duplicates, static_cast<uint32_t>(notes.entries.size()),
                                   static_cast<uint32_t>(differing_.size()), nodes,
                                   static_cast<uint32_t>(words.size() - kHeaderWords)};
  std::copy(header, header + kHeaderWords, words.begin());
  for (const Notes::Entry& note : notes.entries) {
    words.insert(words.end(), {note.index, note.code, note.field, note.offset, note.length});
  }
  result->texts = notes.texts;
  words.insert(words.end(), differing_.begin(), differing_.end());
  sequence_ += events;
}

}  // namespace tributary
