#include "stager.h"

#include <pthread.h>

#include <algorithm>


namespace tributary {

namespace {
// Results that are told of at once while there is more to stage; the last of a queue is told of anyway.
constexpr size_t kResultsPerWake = 16;
// Waking a thread costs as much as decoding a few events.
constexpr size_t kBatchesPerHandOver = 4;
}  // namespace

Stager::Stager(StagerOptions options)
    : options_(std::move(options)),
      window_(options_.window_micros),
      decoding_(options_.limits, options_.window_secret, options_.resolver,
                options_.next_sequence, options_.has_two_threads ? kBatchesPerHandOver : 1,
                [this](std::vector<DecodedBatch>* decoded, bool is_more_coming) {
                  TakeOver(decoded, is_more_coming);
                }) {}

std::string Stager::Start(Region* segment) {
  std::string failure = decoding_.Start(segment);
  if (failure.empty() && options_.has_two_threads) thread_ = std::thread([this] { Run(); });
  return failure;
}

void Stager::Stop() {
  decoding_.Stop();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Stager::TakeOver(std::vector<DecodedBatch>* decoded, bool is_more_coming) {
  std::unique_lock<std::mutex> lock(mutex_);
  is_more_coming_ = is_more_coming;
  if (!options_.has_two_threads) {
    for (const DecodedBatch& batch : *decoded) FinishOne(batch, &lock);
    decoded->clear();
    return;
  }
  bool was_idle = decoded_.empty();
  for (DecodedBatch& batch : *decoded) decoded_.push_back(std::move(batch));
  lock.unlock();
  decoded->clear();
  if (was_idle) work_.notify_one();
}

void Stager::Run() {
  pthread_setname_np(pthread_self(), "stager");
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return is_stopping_ || !decoded_.empty(); });
    if (is_stopping_) return;
    FinishOne(decoded_.front(), &lock);  // the front of a deque stays where it is while its end grows
    // Kept until now, so that TakeOver() wakes this thread only when it may be asleep.
    decoded_.pop_front();
  }
}

void Stager::FinishOne(const DecodedBatch& decoded, std::unique_lock<std::mutex>* lock) {
  StagerResult result;
  if (!spare_.empty()) {
    result.words = std::move(spare_.back());
    spare_.pop_back();
  }
  lock->unlock();
  result.words.clear();
  Finish(decoded, &result);
  lock->lock();
  Publish(std::move(result), lock);
}

void Stager::Publish(StagerResult result, std::unique_lock<std::mutex>* lock) {
  bool is_last = decoded_.size() < 2 && !is_more_coming_;  // the one at hand is still among them
  results_.push_back(std::move(result));
  if (is_notified_ || (!is_last && results_.size() < kResultsPerWake)) return;
  is_notified_ = true;
  lock->unlock();
  options_.notify();
  lock->lock();
}

void Stager::Finish(const DecodedBatch& decoded, StagerResult* result) {
  auto outcome = [&](StagerOutcome outcome) {
    result->words.push_back(static_cast<uint32_t>(outcome));
  };
  switch (decoded.kind) {
    case DecodedBatch::Kind::kRows:
      return Stage(decoded, result);
    case DecodedBatch::Kind::kRefused:
      outcome(StagerOutcome::kRefused);
      result->words.push_back(static_cast<uint32_t>(decoded.failure));
      result->failure = decoded.failure_text;
      return;
    case DecodedBatch::Kind::kPlaced:
      if (decoded.window_micros >= 0) window_.SetWindow(decoded.window_micros);
      return outcome(StagerOutcome::kPlaced);
    case DecodedBatch::Kind::kSegmentFull:
      return outcome(StagerOutcome::kSegmentFull);
    case DecodedBatch::Kind::kRoomNeeded:
      outcome(StagerOutcome::kRoomNeeded);
      result->words.push_back(static_cast<uint32_t>(decoded.claim.identifiers));
      return;
  }
}

void Stager::Stage(const DecodedBatch& decoded, StagerResult* result) {
  std::vector<uint32_t>& words = result->words;
  SegmentRows rows;
  rows.Attach(decoded.segment);
  uint32_t first = decoded.first, events = static_cast<uint32_t>(decoded.keys.size());
  differing_.clear();
  uint32_t duplicates =
      window_.HideDuplicates(&rows, first, decoded.keys, decoded.received_at, &differing_);
  constexpr size_t kHeaderWords = 9;
  words.resize(kHeaderWords);
  ResolvedRows resolved =
      options_.resolver->Resolve(rows, first, events, decoded.claim, &words);
  const Notes& notes = decoded.notes;
  uint32_t header[kHeaderWords] = {static_cast<uint32_t>(StagerOutcome::kStaged), first, events,
                                   duplicates, static_cast<uint32_t>(notes.entries.size()),
                                   static_cast<uint32_t>(differing_.size()), resolved.nodes,
                                   resolved.identifiers,
                                   static_cast<uint32_t>(words.size() - kHeaderWords)};
  std::copy(header, header + kHeaderWords, words.begin());
  for (const Notes::Entry& note : notes.entries) {
    words.insert(words.end(), {note.index, note.code, note.field, note.offset, note.length});
  }
  result->texts = notes.texts;
  words.insert(words.end(), differing_.begin(), differing_.end());
}

}  // namespace tributary
