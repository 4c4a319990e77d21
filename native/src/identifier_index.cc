// From identifiers to dense node ordinals, exactly, outside the JS heap, for a hundred million people.
//
// - A node is given once per (type, value), counting up from 1 in the order values are first resolved;
//   so the same log gives the same nodes, whatever the hash seed of the process is.
// - The table holds (32 hash bits, node) in 8 bytes a slot, linear probing, at most 5/8 full; a hit is
//   confirmed against the value's bytes, so equal hashes never mix two people.
// - Values live in two shared arrays that query workers read: node_values (offsets) and
//   identifier_values (u32 length, bytes, u8 type, padded to 8): a look-up touches one line of each.
// - The stager's thread adds nodes, the main thread prepares, looks up and publishes: one mutex, taken
//   once for a batch.
#include <napi.h>
#include <sys/random.h>

#include <cstdlib>
#include <mutex>
#include <string>

#include "addon_data.h"
#include "array_file.h"
#include "hash.h"
#include "huge_page_vector.h"
#include "row_resolver.h"
#include "segment_rows.h"

namespace tributary {

uint64_t RandomSeed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) abort();
  return seed;
}

namespace {

// Shared with identity/identifier-types.ts.
enum NodeType : uint8_t { kUserIdType = 1, kAnonymousIdType = 2 };

// Columns of `events` the index reads; decoder.cc checks that they are in their places.
enum : uint32_t { kTypeColumn = 2, kUserIdColumn = 5, kAnonymousIdColumn = 6, kPreviousIdColumn = 8 };

constexpr uint32_t kBlockRows = 16;  // rows whose table lines are fetched together

}  // namespace

class IdentifierIndex : public Napi::ObjectWrap<IdentifierIndex>, public RowResolver {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "IdentifierIndex",
                       {InstanceMethod<&IdentifierIndex::Prepare>("prepare"),
                        InstanceMethod<&IdentifierIndex::ResolveRows>("resolveRows"),
                        InstanceMethod<&IdentifierIndex::Lookup>("lookup"),
                        InstanceMethod<&IdentifierIndex::ValueOf>("valueOf"),
                        InstanceMethod<&IdentifierIndex::Publish>("publish"),
                        InstanceMethod<&IdentifierIndex::Close>("close"),
                        InstanceAccessor<&IdentifierIndex::Count>("count"),
                        InstanceAccessor<&IdentifierIndex::MemoryBytes>("memoryBytes")});
  }

  // new IdentifierIndex(directory, nodesMax, valuesBytesMax)
  explicit IdentifierIndex(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<IdentifierIndex>(info), seed_(RandomSeed()) {
    std::string directory = info[0].ToString();
    uint64_t nodes_max = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
    uint64_t bytes_max = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
    std::string failure = offsets_.Create(directory + "/node_values.array", 8, nodes_max + 1);
    if (failure.empty()) failure = values_.Create(directory + "/identifier_values.array", 1, bytes_max);
    if (failure.empty()) failure = Ensure(1, 0);
    if (!failure.empty()) {
      Napi::Error::New(info.Env(), failure).ThrowAsJavaScriptException();
      return;
    }
    slots_.assign(1 << 16, 0);
  }

  uint32_t Resolve(const SegmentRows& rows, uint32_t first, uint32_t count,
                   std::vector<uint32_t>* words) override {
    std::lock_guard<std::mutex> lock(mutex_);
    size_t at = words->size();
    words->resize(at + size_t{count} * 4);
    ResolveRange(rows, first, count, words->data() + at);
    return count_;
  }

 private:
  std::string Ensure(uint64_t nodes, uint64_t bytes) {
    std::string failure = offsets_.Ensure(count_ + 1 + nodes);
    if (failure.empty()) failure = values_.Ensure(values_used_ + bytes);
    return failure;
  }

  // prepare(nodes, bytes): makes room for that many new nodes whose values, with 12 bytes of overhead
  // each, add up to `bytes`. Returns "" or why there is none. Resolving within what was prepared
  // cannot fail, so it can happen after the log was synced.
  Napi::Value Prepare(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    return Napi::String::New(info.Env(),
                             Ensure(static_cast<uint64_t>(info[0].ToNumber().Int64Value()),
                                    static_cast<uint64_t>(info[1].ToNumber().Int64Value())));
  }

  uint64_t HashOf(uint8_t type, const Slice& value) const {
    return HashBytes(value.data, value.length, seed_ + type);
  }

  bool Equals(uint32_t node, uint8_t type, const Slice& value) const {
    Slice known = ValueAt(node);
    return known.length == value.length && memcmp(known.data, value.data, known.length) == 0 &&
           static_cast<uint8_t>(known.data[known.length]) == type;
  }

  // The value of a given node; its type is the byte behind it.
  Slice ValueAt(uint32_t node) const {
    const char* at = values_.data<char>() + offsets_.data<uint64_t>()[node];
    uint32_t length;
    memcpy(&length, at, 4);
    return {at + 4, length};
  }

  size_t SlotOf(uint64_t hash) const { return (hash & 0xffffffffu) & (slots_.size() - 1); }
  // A look-up reads three lines, each found through the one before. A block of rows fetches them in
  // three passes; what the passes guess wrongly, after a collision, is only slower.
  void Prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[SlotOf(hash)]); }
  void PrefetchOffset(uint64_t hash) const {
    __builtin_prefetch(offsets_.data<uint64_t>() + static_cast<uint32_t>(slots_[SlotOf(hash)]));
  }
  void PrefetchValue(uint64_t hash) const {
    uint32_t node = static_cast<uint32_t>(slots_[SlotOf(hash)]);
    __builtin_prefetch(values_.data<char>() + offsets_.data<uint64_t>()[node]);
  }

  // The node of a value, or 0. A slot is hash bits << 32 | node; 0 is free.
  uint32_t Find(uint64_t hash, uint8_t type, const Slice& value, size_t* free_slot) const {
    size_t slot = SlotOf(hash);
    uint64_t tag = hash & 0xffffffffu;
    for (;; slot = (slot + 1) & (slots_.size() - 1)) {
      uint64_t entry = slots_[slot];
      if (entry == 0) {
        *free_slot = slot;
        return 0;
      }
      uint32_t node = static_cast<uint32_t>(entry);
      if (entry >> 32 == tag && Equals(node, type, value)) return node;
    }
  }

  uint32_t FindOrAdd(uint64_t hash, uint8_t type, const Slice& value) {
    size_t slot;
    uint32_t node = Find(hash, type, value, &slot);
    if (node != 0) return node;
    if ((count_ + 1) * 8 > slots_.size() * 5) {
      Grow();
      Find(hash, type, value, &slot);
    }
    node = ++count_;
    slots_[slot] = (hash & 0xffffffffu) << 32 | node;
    char* at = values_.data<char>() + values_used_;
    memcpy(at, &value.length, 4);
    memcpy(at + 4, value.data, value.length);
    at[4 + value.length] = static_cast<char>(type);
    offsets_.data<uint64_t>()[node] = values_used_;
    values_used_ = EndOf(node);
    return node;
  }

  // Where the entry of a given node ends in identifier_values.
  uint64_t EndOf(uint32_t node) const {
    return offsets_.data<uint64_t>()[node] + (4ull + ValueAt(node).length + 1 + 7) / 8 * 8;
  }

  void Grow() {
    HugePageVector<uint64_t> grown(slots_.size() * 2, 0);
    size_t mask = grown.size() - 1;
    for (uint64_t entry : slots_) {
      if (entry == 0) continue;
      size_t slot = (entry >> 32) & mask;
      while (grown[slot] != 0) slot = (slot + 1) & mask;
      grown[slot] = entry;
    }
    slots_ = std::move(grown);
  }

  // resolveRows(region, row, count, out): for each of `count` rows of an `events` segment, writes
  // [user node, anonymous node, previous node, 0] to out[4 * i …]; 0 where there is none. A hidden row
  // gives zeros. The previous id of an alias is a user_id when one of that value is known, else an
  // anonymous_id. Returns whether the arguments made sense.
  Napi::Value ResolveRows(const Napi::CallbackInfo& info) {
    SegmentRows rows;
    uint32_t first = info[1].As<Napi::Number>().Uint32Value();
    uint32_t count = info[2].As<Napi::Number>().Uint32Value();
    Napi::Uint32Array out = info[3].As<Napi::Uint32Array>();
    bool sound = rows.Attach(RegionObject::FromValue(info[0])) &&
                 rows.column_count() > kPreviousIdColumn && first <= rows.staged_rows() &&
                 count <= rows.staged_rows() - first && out.ElementLength() >= size_t{count} * 4;
    if (!sound) return Napi::Boolean::New(info.Env(), false);
    std::lock_guard<std::mutex> lock(mutex_);
    ResolveRange(rows, first, count, out.Data());
    return Napi::Boolean::New(info.Env(), true);
  }

  void ResolveRange(const SegmentRows& rows, uint32_t first, uint32_t count, uint32_t* nodes) {
    const ColumnDescriptor& users = rows.column(kUserIdColumn);
    const ColumnDescriptor& anonymous = rows.column(kAnonymousIdColumn);
    const ColumnDescriptor& previous = rows.column(kPreviousIdColumn);
    Slice user[kBlockRows], visitor[kBlockRows];
    uint64_t user_hash[kBlockRows], visitor_hash[kBlockRows];
    for (uint32_t done = 0; done < count;) {
      uint32_t block = count - done < kBlockRows ? count - done : kBlockRows;
      for (uint32_t i = 0; i < block; i++) {
        uint32_t row = first + done + i;
        bool hidden = rows.hidden(row);
        user[i] = hidden ? Slice{} : rows.text(users, row);
        visitor[i] = hidden ? Slice{} : rows.text(anonymous, row);
        if (user[i].present()) Prefetch(user_hash[i] = HashOf(kUserIdType, user[i]));
        if (visitor[i].present()) Prefetch(visitor_hash[i] = HashOf(kAnonymousIdType, visitor[i]));
      }
      for (uint32_t i = 0; i < block; i++) {
        if (user[i].present()) PrefetchOffset(user_hash[i]);
        if (visitor[i].present()) PrefetchOffset(visitor_hash[i]);
      }
      for (uint32_t i = 0; i < block; i++) {
        if (user[i].present()) PrefetchValue(user_hash[i]);
        if (visitor[i].present()) PrefetchValue(visitor_hash[i]);
      }
      for (uint32_t i = 0; i < block; i++, nodes += 4) {
        nodes[0] = user[i].present() ? FindOrAdd(user_hash[i], kUserIdType, user[i]) : 0;
        nodes[1] = visitor[i].present()
                       ? FindOrAdd(visitor_hash[i], kAnonymousIdType, visitor[i]) : 0;
        nodes[2] = 0;
        nodes[3] = 0;
        uint32_t row = first + done + i;
        if (rows.hidden(row)) continue;
        Slice former = rows.text(previous, row);
        if (former.present()) nodes[2] = ResolveFormer(former);
      }
      done += block;
    }
  }

  uint32_t ResolveFormer(const Slice& value) {
    size_t slot;
    uint32_t user = Find(HashOf(kUserIdType, value), kUserIdType, value, &slot);
    if (user != 0) return user;
    return FindOrAdd(HashOf(kAnonymousIdType, value), kAnonymousIdType, value);
  }

  // lookup(type, value): the node, or 0 when the value was never seen.
  Napi::Value Lookup(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint8_t type = static_cast<uint8_t>(info[0].As<Napi::Number>().Uint32Value());
    std::string text = info[1].ToString();
    Slice value{text.data(), static_cast<uint32_t>(text.size())};
    size_t slot;
    return Napi::Number::New(info.Env(), Find(HashOf(type, value), type, value, &slot));
  }

  bool Known(const Napi::CallbackInfo& info, uint32_t* node) const {
    *node = info[0].As<Napi::Number>().Uint32Value();
    return *node >= 1 && *node <= count_;
  }

  Napi::Value ValueOf(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t node;
    if (!Known(info, &node)) return info.Env().Undefined();
    Slice value = ValueAt(node);
    return Napi::String::New(info.Env(), value.data, value.length);
  }

  // publish(nodes): lets readers see the nodes up to that one. Nodes of batches that are not durable
  // yet may stand behind it.
  Napi::Value Publish(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t nodes = info[0].As<Napi::Number>().Uint32Value();
    if (nodes > count_) nodes = count_;
    values_.Publish(nodes == 0 ? 0 : EndOf(nodes));
    offsets_.Publish(nodes + 1);
    return info.Env().Undefined();
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    offsets_.Close();
    values_.Close();
    count_ = 0;
    slots_.assign(1 << 4, 0);
    return info.Env().Undefined();
  }

  Napi::Value Count(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    return Napi::Number::New(info.Env(), count_);
  }

  Napi::Value MemoryBytes(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint64_t bytes = offsets_.backed_bytes() + values_.backed_bytes() + slots_.size() * sizeof(uint64_t);
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  }

  std::mutex mutex_;
  const uint64_t seed_;
  ArrayFile offsets_, values_;
  uint64_t values_used_ = 0;
  uint32_t count_ = 0;
  HugePageVector<uint64_t> slots_;
};

RowResolver* RowResolver::FromValue(const Napi::Value& value) {
  return Napi::ObjectWrap<IdentifierIndex>::Unwrap(value.As<Napi::Object>());
}

void InitIdentifierIndex(Napi::Env env, Napi::Object exports) {
  exports.Set("IdentifierIndex", IdentifierIndex::Define(env));
}

}  // namespace tributary
