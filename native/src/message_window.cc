// Finds events that were sent before: a client's retry re-sends the same messageId.
//
// Exact 64-bit hashes in generations that are dropped as a whole. The window is kept for at least
// `window` of log time: generations - 1 spans of window / (generations - 1) each, and the current one.
// Time is the records' received_at, never the clock, so replaying the log drops the same duplicates.
// Hashes are keyed with a secret of the tenant: repeatable, yet nobody can prepare colliding ids.
// 2^64 hashes make a false duplicate unlikely: about n²/2^65, 3 in 10^5 for 32 M ids in a window.
#include <napi.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "hash.h"
#include "huge_page_vector.h"
#include "segment_rows.h"

namespace tributary {

namespace {

constexpr uint32_t kGenerations = 4;
// Columns of `events`; event_decoder.cc checks that they are in their places.
constexpr uint32_t kMessageIdColumn = 1;
constexpr uint32_t kEventColumn = 3;
constexpr uint32_t kFingerprintTextColumns[] = {5, 6, 15, 16};  // ids, properties, traits
constexpr uint32_t kColumnsMin = 17;
constexpr uint32_t kBlockRows = 16;

// From non-zero 64-bit hashes to 32-bit fingerprints: open addressing, at most half full. Fingerprints
// lie apart, because they are read only when a hash is found.
class FingerprintMap {
 public:
  FingerprintMap() : hashes_(1 << 12, 0), fingerprints_(1 << 12, 0) {}
  void Prefetch(uint64_t hash) const {
    if (count_ > 0) __builtin_prefetch(&hashes_[hash & (hashes_.size() - 1)]);
  }
  // For a hash that will be added.
  void PrefetchForAdding(uint64_t hash) const {
    __builtin_prefetch(&hashes_[hash & (hashes_.size() - 1)], 1);
    __builtin_prefetch(&fingerprints_[hash & (hashes_.size() - 1)], 1);
  }
  const uint32_t* Find(uint64_t hash) const {
    if (count_ == 0) return nullptr;
    for (size_t slot = hash & (hashes_.size() - 1);; slot = (slot + 1) & (hashes_.size() - 1)) {
      if (hashes_[slot] == hash) return &fingerprints_[slot];
      if (hashes_[slot] == 0) return nullptr;
    }
  }
  void Add(uint64_t hash, uint32_t fingerprint) {
    if ((count_ + 1) * 2 > hashes_.size()) Grow();
    Place(hash, fingerprint);
    count_++;
  }
  uint64_t count() const { return count_; }
  uint64_t bytes() const { return hashes_.size() * 12; }

 private:
  void Place(uint64_t hash, uint32_t fingerprint) {
    size_t slot = hash & (hashes_.size() - 1);
    while (hashes_[slot] != 0) slot = (slot + 1) & (hashes_.size() - 1);
    hashes_[slot] = hash;
    fingerprints_[slot] = fingerprint;
  }
  void Grow() {
    // Small ones grow faster: moving everything costs more than the room.
    size_t factor = hashes_.size() < (1 << 20) ? 8 : 2;
    HugePageVector<uint64_t> hashes(hashes_.size() * factor, 0);
    HugePageVector<uint32_t> fingerprints(hashes.size(), 0);
    hashes_.swap(hashes);
    fingerprints_.swap(fingerprints);
    for (size_t slot = 0; slot < hashes.size(); slot++) {
      if (hashes[slot] != 0) Place(hashes[slot], fingerprints[slot]);
    }
  }
  HugePageVector<uint64_t> hashes_;
  HugePageVector<uint32_t> fingerprints_;
  uint64_t count_ = 0;
};

}  // namespace

class MessageWindow : public Napi::ObjectWrap<MessageWindow> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "MessageWindow",
                       {InstanceMethod<&MessageWindow::HideDuplicates>("hideDuplicates"),
                        InstanceMethod<&MessageWindow::SetWindow>("setWindow"),
                        InstanceAccessor<&MessageWindow::Count>("count"),
                        InstanceAccessor<&MessageWindow::MemoryBytes>("memoryBytes")});
  }

  // new MessageWindow(windowMicros, secret): `secret` is 8 bytes that stay the same for the tenant.
  explicit MessageWindow(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MessageWindow>(info) {
    SetSpan(info[0].ToNumber().Int64Value());
    Napi::Uint8Array secret = info[1].As<Napi::Uint8Array>();
    if (secret.ByteLength() != sizeof(seed_)) {
      Napi::TypeError::New(info.Env(), "the secret is 8 bytes").ThrowAsJavaScriptException();
      return;
    }
    memcpy(&seed_, secret.Data(), sizeof(seed_));
  }

 private:
  void SetSpan(int64_t window_micros) {
    span_micros_ = std::max<int64_t>(window_micros / (kGenerations - 1), 1);
  }

  // setWindow(windowMicros): holds for the generations opened from now on.
  Napi::Value SetWindow(const Napi::CallbackInfo& info) {
    SetSpan(info[0].ToNumber().Int64Value());
    return info.Env().Undefined();
  }

  // hideDuplicates(region, row, count, receivedAtMicros, differing): hides each visible row whose
  // message id was admitted before, and admits the others. differing[0] receives how many of the
  // hidden ones differ from the first event of their id, and what follows their positions in the run.
  // Returns how many rows were hidden, or -1 for bad arguments.
  Napi::Value HideDuplicates(const Napi::CallbackInfo& info) {
    SegmentRows rows;
    uint32_t first = info[1].As<Napi::Number>().Uint32Value();
    uint32_t count = info[2].As<Napi::Number>().Uint32Value();
    Napi::Uint32Array differing = info[4].As<Napi::Uint32Array>();
    bool sound = rows.Attach(RegionObject::FromValue(info[0])) &&
                 rows.column_count() >= kColumnsMin && first <= rows.staged_rows() &&
                 count <= rows.staged_rows() - first && differing.ElementLength() > count;
    if (!sound) return Napi::Number::New(info.Env(), -1);
    RotateTo(info[3].ToNumber().Int64Value());
    const ColumnDescriptor& ids = rows.column(kMessageIdColumn);
    uint32_t* out = differing.Data();
    out[0] = 0;
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
        for (const FingerprintMap& generation : generations_) generation.Prefetch(hashes[i]);
        generations_[current_].PrefetchForAdding(hashes[i]);
      }
      for (uint32_t i = 0; i < block; i++) {
        if (hashes[i] == 0) continue;
        uint32_t row = first + done + i;
        uint32_t fingerprint = FingerprintOf(rows, row);
        const uint32_t* known = Find(hashes[i]);
        if (known == nullptr) {
          generations_[current_].Add(hashes[i], fingerprint);
          continue;
        }
        if (*known != fingerprint) out[++out[0]] = done + i;
        rows.Hide(row);
        hidden++;
      }
      done += block;
    }
    return Napi::Number::New(info.Env(), hidden);
  }

  const uint32_t* Find(uint64_t hash) const {
    for (const FingerprintMap& generation : generations_) {
      const uint32_t* known = generation.Find(hash);
      if (known != nullptr) return known;
    }
    return nullptr;
  }

  // Of what an event says and about whom; times and context may differ between two attempts.
  uint32_t FingerprintOf(const SegmentRows& rows, uint32_t row) const {
    uint64_t hash = seed_;
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

  // Opens a new generation for each span that has passed, which drops the oldest.
  void RotateTo(int64_t received) {
    if (span_ends_ == 0) span_ends_ = received + span_micros_;
    for (uint32_t turns = 0; received >= span_ends_; turns++) {
      if (turns == kGenerations) {  // a long silence: everything is out of the window already
        span_ends_ = received + span_micros_;
        break;
      }
      current_ = (current_ + 1) % kGenerations;
      generations_[current_] = FingerprintMap();
      span_ends_ += span_micros_;
    }
  }

  Napi::Value Count(const Napi::CallbackInfo& info) {
    uint64_t count = 0;
    for (const FingerprintMap& generation : generations_) count += generation.count();
    return Napi::Number::New(info.Env(), static_cast<double>(count));
  }

  Napi::Value MemoryBytes(const Napi::CallbackInfo& info) {
    uint64_t bytes = 0;
    for (const FingerprintMap& generation : generations_) bytes += generation.bytes();
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  }

  FingerprintMap generations_[kGenerations];
  uint32_t current_ = 0;
  int64_t span_micros_;
  int64_t span_ends_ = 0;
  uint64_t seed_ = 0;
};

void InitMessageWindow(Napi::Env env, Napi::Object exports) {
  exports.Set("MessageWindow", MessageWindow::Define(env));
}

}  // namespace tributary
