// A tenant's stager turns payloads into staged rows, in the order of the log, beside the main thread.
//
//   submitted --> decode into the segment's tail --> hide duplicates --> identifiers to nodes --> results
//                 (decode_stage.h)                   (here)
//
// The second half has a thread of its own where there is a processor for it. With two processors it follows
// each batch on the decoding thread: rows are still in that processor's cache then, and nobody is woken.
//
// The main thread submits, takes results, logs and publishes; nothing here is visible to readers before
// it does. Order makes it simple: one queue from thread to thread, and a sequence counted by the one who
// knows how many events a payload holds.
//
// Ownership and threads
// - The tail of the attached segment belongs to the decode stage; the message window and the addition of
//   nodes belong to the second half. The main thread reads rows whose result it has taken.
// - A submitted payload stays where it is, with its slack, until its result was taken.
// - A full segment stops decoding: the result kSegmentFull asks for the next one, Attach() answers.
// - So does a batch that could bring more identifiers than there is room for: kRoomNeeded asks for it, Resume()
//   answers.
// - A payload that is refused leaves no row, no hash, no node and no gap in the sequence.
// - notify() is called once for a batch of results, from the thread of the second half and without a lock.
//   Whoever hears it takes until nothing is left.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "decode_stage.h"
#include "message_window.h"
#include "row_resolver.h"

namespace tributary {

struct StagerOptions {
  DecoderLimits limits;
  int64_t window_micros;
  uint64_t window_secret;
  RowResolver* resolver;   // outlives the stager
  uint64_t next_sequence;  // of the first event to be submitted
  bool has_two_threads;
  std::function<void()> notify;
};

// Shared with engine/staged-rows.ts.
enum class StagerOutcome : uint32_t {
  kStaged = 1,       // [kStaged, row, count, duplicates, notes, differing, nodes, identifiers,
                     //  resolved words, the resolver's words, notes as Notes::Entry, positions of
                     //  differing duplicates]
  kRefused = 2,      // [kRefused, DecodeFailure]
  kPlaced = 3,       // [kPlaced]
  kSegmentFull = 4,  // [kSegmentFull]: Attach() is waited for
  kRoomNeeded = 5,   // [kRoomNeeded, identifiers]: Resume() is waited for
};

struct StagerResult {
  std::vector<uint32_t> words;
  std::string texts;    // of kStaged: what its notes stand on
  std::string failure;  // of kRefused: what the parser or the file system said
};

class Stager {
 public:
  explicit Stager(StagerOptions options);
  ~Stager() { Stop(); }
  Stager(const Stager&) = delete;
  Stager& operator=(const Stager&) = delete;

  // Begins with `segment`. Returns "" or why not.
  std::string Start(Region* segment);
  // Lets the payloads at hand end and drops the others. Idempotent.
  void Stop();

  // As those of DecodeStage.
  void Submit(SubmittedBatch batch) { decoding_.Submit(std::move(batch)); }
  void Place(int64_t window_micros, uint64_t sequence) { decoding_.Place(window_micros, sequence); }
  void Attach(Region* segment) { decoding_.Attach(segment); }
  void Resume() { decoding_.Resume(); }

  // Calls use(result) with the oldest result; it stays when that says false. False when none is left.
  template <typename Use>
  bool Take(Use use) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (results_.empty()) {
      is_notified_ = false;
      return false;
    }
    StagerResult& oldest = results_.front();
    lock.unlock();  // the front of a deque stays where it is while its end grows
    if (!use(oldest)) return true;
    lock.lock();
    spare_.push_back(std::move(oldest.words));
    results_.pop_front();
    return true;
  }

  uint64_t memory_bytes() const { return window_.memory_bytes(); }
  // The duplicate window, for a checkpoint. Only while nothing is under way: then the threads sleep, and
  // the mutex that every result and submission passes orders their accesses and the caller's.
  MessageWindow& window() { return window_; }

 private:
  void TakeOver(std::vector<DecodedBatch>* decoded, bool is_more_coming);
  void Run();
  // Makes the result of a batch and publishes it; `lock` is held, and let go meanwhile.
  void FinishOne(const DecodedBatch& decoded, std::unique_lock<std::mutex>* lock);
  void Finish(const DecodedBatch& decoded, StagerResult* result);
  void Stage(const DecodedBatch& decoded, StagerResult* result);
  // Adds a result; `lock` is held, and let go for notify().
  void Publish(StagerResult result, std::unique_lock<std::mutex>* lock);

  const StagerOptions options_;

  // Of the second half alone.
  MessageWindow window_;
  std::vector<uint32_t> differing_;

  // Shared, below mutex_.
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<DecodedBatch> decoded_;
  std::deque<StagerResult> results_;
  std::vector<std::vector<uint32_t>> spare_;
  bool is_more_coming_ = false;
  bool is_notified_ = false;
  bool is_stopping_ = false;

  DecodeStage decoding_;
  std::thread thread_;
};

}  // namespace tributary
