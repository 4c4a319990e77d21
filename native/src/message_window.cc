// Finds events that were sent before: a client's retry re-sends the same messageId.
//
// Exact 64-bit hashes in generations that are dropped as a whole. The window is kept for at least
// `window` of log time: generations - 1 spans of window / (generations - 1) each, and the current one.
// Time is the records' received_at, never the clock, so replaying the log drops the same duplicates.
// Hashes are keyed with a secret of the tenant: repeatable, yet nobody can prepare colliding ids.
// 2^64 hashes make a false duplicate unlikely: about n²/2^65, 3 in 10^5 for 32 M ids in a window.
#include <napi.h>

#include <utility>
#include <vector>

#include "hash.h"
#include "segment_rows.h"

namespace tributary {

namespace {

constexpr uint32_t kGenerations = 4;
constexpr uint32_t kMessageIdColumn = 1;
constexpr uint32_t kBlockRows = 16;

// An open-addressing set of non-zero 64-bit hashes, at most half full.
class HashSet {
 public:
  HashSet() : slots_(1 << 12, 0) {}
  void Prefetch(uint64_t hash) const {
    if (count_ > 0) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }
  bool Contains(uint64_t hash) const {
    if (count_ == 0) return false;
    for (size_t slot = hash & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot] == hash) return true;
      if (slots_[slot] == 0) return false;
    }
  }
  void Add(uint64_t hash) {
    if ((count_ + 1) * 2 > slots_.size()) Grow();
    Place(slots_, hash);
    count_++;
  }
  uint64_t count() const { return count_; }
  uint64_t bytes() const { return slots_.size() * 8; }

 private:
  static void Place(std::vector<uint64_t>& slots, uint64_t hash) {
    size_t slot = hash & (slots.size() - 1);
    while (slots[slot] != 0) slot = (slot + 1) & (slots.size() - 1);
    slots[slot] = hash;
  }
  void Grow() {
    std::vector<uint64_t> grown(slots_.size() * 2, 0);
    for (uint64_t hash : slots_) {
      if (hash != 0) Place(grown, hash);
    }
    slots_ = std::move(grown);
  }
  std::vector<uint64_t> slots_;
  uint64_t count_ = 0;
};

}  // namespace

class MessageWindow : public Napi::ObjectWrap<MessageWindow> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "MessageWindow",
                       {InstanceMethod<&MessageWindow::HideDuplicates>("hideDuplicates"),
                        InstanceAccessor<&MessageWindow::Count>("count"),
                        InstanceAccessor<&MessageWindow::MemoryBytes>("memoryBytes")});
  }

  // new MessageWindow(windowMicros, secret): `secret` is 8 bytes that stay the same for the tenant.
  explicit MessageWindow(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MessageWindow>(info) {
    span_micros_ = info[0].ToNumber().Int64Value() / (kGenerations - 1);
    if (span_micros_ < 1) span_micros_ = 1;
    Napi::Uint8Array secret = info[1].As<Napi::Uint8Array>();
    if (secret.ByteLength() != sizeof(seed_)) {
      Napi::TypeError::New(info.Env(), "the secret is 8 bytes").ThrowAsJavaScriptException();
      return;
    }
    memcpy(&seed_, secret.Data(), sizeof(seed_));
  }

 private:
  // hideDuplicates(region, row, count, receivedAtMicros): hides each visible row whose message id was
  // admitted before, and admits the others. Returns how many were hidden, or -1 for bad arguments.
  Napi::Value HideDuplicates(const Napi::CallbackInfo& info) {
    SegmentRows rows;
    uint32_t first = info[1].As<Napi::Number>().Uint32Value();
    uint32_t count = info[2].As<Napi::Number>().Uint32Value();
    bool sound = rows.Attach(RegionObject::FromValue(info[0])) &&
                 rows.column_count() > kMessageIdColumn && first <= rows.staged_rows() &&
                 count <= rows.staged_rows() - first;
    if (!sound) return Napi::Number::New(info.Env(), -1);
    RotateTo(info[3].ToNumber().Int64Value());
    const ColumnDescriptor& ids = rows.column(kMessageIdColumn);
    uint64_t hashes[kBlockRows];
    uint32_t hidden = 0;
    for (uint32_t done = 0; done < count;) {
      uint32_t block = count - done < kBlockRows ? count - done : kBlockRows;
      for (uint32_t i = 0; i < block; i++) {
        uint32_t row = first + done + i;
        hashes[i] = 0;
        if (rows.hidden(row)) continue;
        Slice id = rows.text(ids, row);
        hashes[i] = HashBytes(id.data, id.length, seed_);
        if (hashes[i] == 0) hashes[i] = 1;  // 0 marks a free slot
        for (const HashSet& generation : generations_) generation.Prefetch(hashes[i]);
      }
      for (uint32_t i = 0; i < block; i++) {
        if (hashes[i] == 0) continue;
        if (Admit(hashes[i])) continue;
        rows.Hide(first + done + i);
        hidden++;
      }
      done += block;
    }
    return Napi::Number::New(info.Env(), hidden);
  }

  bool Admit(uint64_t hash) {
    for (const HashSet& generation : generations_) {
      if (generation.Contains(hash)) return false;
    }
    generations_[current_].Add(hash);
    return true;
  }

  // Opens a new generation for each span that has passed, which drops the oldest.
  void RotateTo(int64_t received) {
    if (span_ends_ == 0) span_ends_ = received + span_micros_;
    for (uint32_t turns = 0; received >= span_ends_; turns++) {
      if (turns == kGenerations) {  // a long silence: everything is out of the window already
        span_ends_ = received + span_micros_;
        break;
      }
      current_ = (current_ + 1) % kGenerations;
      generations_[current_] = HashSet();
      span_ends_ += span_micros_;
    }
  }

  Napi::Value Count(const Napi::CallbackInfo& info) {
    uint64_t count = 0;
    for (const HashSet& generation : generations_) count += generation.count();
    return Napi::Number::New(info.Env(), static_cast<double>(count));
  }

  Napi::Value MemoryBytes(const Napi::CallbackInfo& info) {
    uint64_t bytes = 0;
    for (const HashSet& generation : generations_) bytes += generation.bytes();
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  }

  HashSet generations_[kGenerations];
  uint32_t current_ = 0;
  int64_t span_micros_;
  int64_t span_ends_ = 0;
  uint64_t seed_ = 0;
};

void InitMessageWindow(Napi::Env env, Napi::Object exports) {
  exports.Set("MessageWindow", MessageWindow::Define(env));
}

}  // namespace tributary
