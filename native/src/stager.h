// A tenant's stager: the thread that turns payloads into staged rows, in the order of the log.
//
//   submitted --> decode into the segment's tail --> hide duplicates --> identifiers to nodes --> results
//
// The main thread submits, takes results, logs and publishes; nothing here is visible to readers before
// it does. Order makes it simple: one queue in, one queue out, and a sequence counted by the one who
// knows how many events a payload holds.
//
// Ownership and threads
// - The tail of the attached segment (rows, heaps, dictionaries, counters), the message window and the
//   addition of nodes belong to this thread. The main thread reads rows whose result it has taken.
// - A submitted payload stays where it is, with its slack, until its result was taken.
// - A full segment stops the thread: the result kSegmentFull asks for the next one, Attach() answers.
// - A payload that is refused leaves no row, no hash, no node and no gap in the sequence.
// - notify() is called once for a batch of results, from this thread and without a lock. Whoever hears
//   it takes until nothing is left.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "event_decoder.h"
#include "message_window.h"
#include "row_resolver.h"

namespace tributary {

struct StagerOptions {
  DecoderLimits limits;
  int64_t window_micros;
  uint64_t window_secret;
  RowResolver* resolver;   // outlives the stager
  uint64_t next_sequence;  // of the first event to be submitted
  std::function<void()> notify;
};

struct StagedBatch {
  uint64_t sequence;    // of the first event; 0: the one after what was submitted before
  Codec codec;
  const char* payload;  // with SIMDJSON_PADDING readable bytes behind `length`
  uint32_t length;
  int64_t received_at;
  EventType type_of_path;
  std::string source;
};

// Shared with engine/stager-results.ts.
enum class StagerOutcome : uint32_t {
  kStaged = 1,       // [kStaged, row, count, duplicates, notes, differing, nodes, resolved words,
                     //  the resolver's words, notes as Notes::Entry, positions of differing duplicates]
  kRefused = 2,      // [kRefused, DecodeFailure]
  kPlaced = 3,       // [kPlaced]
  kSegmentFull = 4,  // [kSegmentFull]: Attach() is waited for
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
  // Lets the payload being staged end and drops the others. Idempotent.
  void Stop();

  void Submit(StagedBatch batch);
  // Gives a place in the order, and one sequence, to a record that has no rows. The duplicate window
  // becomes `window_micros` there, unless that is negative. `sequence` is as in StagedBatch.
  void Place(int64_t window_micros, uint64_t sequence);
  // Answers kSegmentFull; nullptr refuses the payload that found no room.
  void Attach(Region* segment);

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
  // The duplicate window, for a checkpoint. Only while nothing is under way: then the thread sleeps, and
  // the mutex that every result and submission passes orders its accesses and the caller's.
  MessageWindow& window() { return window_; }

 private:
  struct Item {
    bool is_batch;
    StagedBatch batch;
    int64_t window_micros;
  };

  void Run();
  void StageBatch(const StagedBatch& batch, StagerResult* result);
  DecodeFailure Decode(const StagedBatch& batch, uint32_t* events);
  Region* AwaitSegment();
  // Adds a result; `lock` is held, and let go for notify().
  void Publish(StagerResult result, std::unique_lock<std::mutex>* lock);

  const StagerOptions options_;

  // Of the stager's thread alone.
  EventDecoder decoder_;
  MessageWindow window_;
  Region* segment_ = nullptr;
  bool needs_segment_ = false;
  uint64_t sequence_;
  std::vector<uint32_t> differing_;
  std::string failure_;

  // Shared, below mutex_.
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Item> submitted_;
  std::deque<StagerResult> results_;
  std::vector<std::vector<uint32_t>> spare_;
  Region* answer_ = nullptr;
  bool is_answered_ = false;
  bool is_notified_ = false;
  bool is_stopping_ = false;

  std::thread thread_;
};

}  // namespace tributary
