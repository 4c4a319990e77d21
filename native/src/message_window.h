// Finds events that were sent before: a client's retry re-sends the same messageId.
//
// Exact 64-bit hashes in generations that are dropped as a whole. The window is kept for at least
// `window` of log time: generations - 1 spans of window / (generations - 1) each, and the current one.
// Time is the records' received_at, never the clock, so replaying the log drops the same duplicates.
// Hashes are keyed with a secret that stays the same for the life of the tenant: repeatable, yet nobody
// can prepare colliding ids.
// 2^64 hashes make a false duplicate unlikely: about n²/2^65, 3 in 10^5 for 32 M ids in a window.
//
// One thread uses a window; memory_bytes() may be read from any.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "fingerprint_map.h"
#include "segment_rows.h"

namespace tributary {

// What the window has to know of a row, which depends on the row alone: it can be told before the turn of
// the row has come, by any thread.
struct MessageKey {
  uint64_t hash;         // of the message id; 0 for a hidden row, which has no part in this
  uint32_t fingerprint;  // of what the event says and about whom; times and context differ between attempts
};

// `secret` is that of the window. Replaces what is in `keys`.
void ReadMessageKeys(const SegmentRows& rows, uint32_t first, uint32_t count, uint64_t secret,
                     std::vector<MessageKey>* keys);

class MessageWindow {
 public:
  explicit MessageWindow(int64_t window_micros) { SetWindow(window_micros); }

  // Holds for the generations opened from now on.
  void SetWindow(int64_t window_micros);

  // Hides each visible row from `first` on whose message id was admitted before, and admits the others;
  // `keys` are theirs. `differing` receives the positions in the run of hidden rows that differ from the
  // first event of their id. Returns how many rows were hidden.
  uint32_t HideDuplicates(SegmentRows* rows, uint32_t first, const std::vector<MessageKey>& keys,
                          int64_t received_at, std::vector<uint32_t>* differing);

  // What a checkpoint keeps of the window, at rest: a head, and the table of each generation.
  static constexpr uint32_t kGenerations = 4;
  struct Head {
    int64_t span_micros, span_ends;
    uint64_t current, groups[kGenerations], counts[kGenerations];
  };
  Head head() const;
  // Makes tables of the sizes in `head`, whose content follows through table(). False for what no window can have.
  bool Restore(const Head& head);
  // Of a generation, from 1; null for another number.
  FingerprintMap* table(uint32_t generation);

  uint64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }

 private:
  const uint32_t* Find(uint64_t hash) const;
  void RotateTo(int64_t received_at);
  void NoteMemory();

  FingerprintMap generations_[kGenerations];
  uint32_t current_ = 0;
  int64_t span_micros_ = 1;
  int64_t span_ends_ = 0;
  std::atomic<uint64_t> memory_bytes_{0};
};

}  // namespace tributary
