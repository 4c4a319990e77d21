// The first half of staging, in a thread: payloads become rows in the tail of the active segment.
//
// What happens here depends on the payload, its place in the order and nothing else, so it runs ahead of
// what depends on the events before: duplicates and nodes, which are the stager's (stager.h).
//
// Ownership
// - The tail of the attached segment (rows, heaps, dictionaries, counters) belongs to this thread. A row
//   that was handed over is not written again; the stager may only hide it.
// - A submitted payload stays where it is, with its slack, until its result was taken.
// - A full segment stops the thread: kSegmentFull is handed over, behind all rows of that segment, and
//   Attach() answers it.
// - So does a batch for which identity has no room: kRoomNeeded is handed over, behind all that has room, and
//   Resume() answers it. A batch that finds none then is refused.
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

struct SubmittedBatch {
  uint64_t sequence;    // of the first event; 0: the one after what was submitted before
  Codec codec;
  const char* payload;  // with SIMDJSON_PADDING readable bytes behind `length` and the sender
  uint32_t length;
  int64_t received_at;
  EventType type_of_path;
  std::string source;
  bool has_sender;      // kSenderAddressBytes lie behind `length`: where the batch came from
  uint32_t joined_rows;  // as of BatchFields
};

// What a submission became.
struct DecodedBatch {
  enum class Kind { kRows, kRefused, kPlaced, kSegmentFull, kRoomNeeded };
  Kind kind = Kind::kSegmentFull;
  // Of kRows.
  Region* segment = nullptr;
  uint32_t first = 0;
  int64_t received_at = 0;
  std::vector<MessageKey> keys;  // one for each row
  Notes notes;
  // Of kRows and kRoomNeeded: what was claimed of identity's room, or would have been.
  RoomClaim claim;
  // Of kPlaced: the duplicate window from here on; negative: as it was.
  int64_t window_micros = 0;
  // Of kRefused.
  DecodeFailure failure = DecodeFailure::kNone;
  std::string failure_text;
};

class DecodeStage {
 public:
  // Takes what was decoded, in the order of submission, and empties it; called on the stage's thread.
  // `is_more_coming` promises another call soon.
  using HandOver = std::function<void(std::vector<DecodedBatch>* batches, bool is_more_coming)>;

  // `window_secret` keys the hashes of message ids. `resolver` is where room is claimed. While there is more to
  // decode, so many batches are handed over at once.
  DecodeStage(const DecoderLimits& limits, uint64_t window_secret, RowResolver* resolver,
              uint64_t next_sequence, size_t batches_per_hand_over, HandOver hand_over)
      : window_secret_(window_secret),
        resolver_(resolver),
        batches_per_hand_over_(batches_per_hand_over),
        hand_over_(std::move(hand_over)),
        decoder_(limits,
                 [this](uint32_t events, uint32_t text_bytes) { return Claim(events, text_bytes); }),
        sequence_(next_sequence) {}
  ~DecodeStage() { Stop(); }
  DecodeStage(const DecodeStage&) = delete;
  DecodeStage& operator=(const DecodeStage&) = delete;

  // Begins with `segment`. Returns "" or why not.
  std::string Start(Region* segment);
  // Lets the payload being decoded end and drops the others. Idempotent.
  void Stop();

  void Submit(SubmittedBatch batch);
  // Gives a place in the order, and one sequence, to a record without rows; both arguments are as in
  // DecodedBatch and SubmittedBatch.
  void Place(int64_t window_micros, uint64_t sequence);
  // Answers kSegmentFull; nullptr refuses the payload that found no room.
  void Attach(Region* segment);
  // Answers kRoomNeeded: room was granted, or there is none.
  void Resume();

 private:
  struct Item {
    bool is_batch;
    SubmittedBatch batch;
    int64_t window_micros;
  };

  void Run();
  DecodedBatch Carry(const Item& item);
  DecodeFailure Decode(const SubmittedBatch& batch, uint32_t* events);
  // Decodes into the segment there is; what it claimed is held only by rows.
  DecodeFailure DecodeOnce(const SubmittedBatch& batch, uint32_t* events);
  std::string Claim(uint32_t events, uint32_t text_bytes);
  // Goes on in the next segment. False: there is none.
  bool TakeNextSegment(DecodeFailure* failure);
  // Hands `question` over, and waits for the answer. False: the stage is to stop.
  bool Ask(DecodedBatch question);

  // Of the thread alone.
  const uint64_t window_secret_;
  RowResolver* const resolver_;
  const size_t batches_per_hand_over_;
  const HandOver hand_over_;
  EventDecoder decoder_;
  Region* segment_ = nullptr;
  bool needs_segment_ = false;
  uint64_t sequence_;
  RoomClaim claim_;  // of the batch at hand
  bool is_claimed_ = false;
  std::string failure_;
  std::vector<DecodedBatch> ready_;

  // Shared, below mutex_.
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Item> submitted_;
  Region* answer_ = nullptr;
  bool is_answered_ = false;
  bool is_stopping_ = false;

  std::thread thread_;
};

}  // namespace tributary
