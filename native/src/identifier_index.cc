// From identifiers to dense node ordinals, exactly, outside the JS heap, for a hundred million people.
//
// - A node is given once per (type, value), counting up from 1 in the order values are first resolved;
//   so the same log gives the same nodes, whatever the hash seed of the process is.
// - A look-up reads three lines: of the table (node_table.h), of where the node's value lies, and of the
//   value (node_values.h). A hit is confirmed against the value, so equal hashes never mix two people.
// - The stager's threads claim room and add nodes, the main thread grants room, looks up and publishes: one
//   mutex, taken twice for a batch.
// - What values are looked for, and how they are made comparable, is set by configure(), which the fold
//   calls in the order of the log. Values are normalised before they become nodes, and by look-ups too.
// - An erased node keeps its place and its length. Until the next start the table leads to it, and no
//   further: its type is one that nobody looks for.
#include <napi.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "addon_data.h"
#include "array_file.h"
#include "hash.h"
#include "identifier_extractor.h"
#include "identifier_request.h"
#include "node_table.h"
#include "node_values.h"
#include "row_resolver.h"
#include "segment_rows.h"
#include "state_part.h"

namespace tributary {

uint64_t RandomSeed() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) abort();
  return seed;
}

namespace {

// Shared with identity/identity-rules.ts.
enum NodeType : uint8_t { kErasedType = 0, kAnonymousIdType = 2, kAccountType = 255 };

// Columns of `events` the index reads; event_decoder.cc checks that they are in their places.
enum : uint32_t {
  kTypeColumn = 2, kEventColumn = 3, kUserIdColumn = 5, kAnonymousIdColumn = 6, kGroupIdColumn = 7,
  kPreviousIdColumn = 8, kContextColumn = 17,
};

constexpr uint32_t kBlockRows = 16;  // rows whose table lines are fetched together
constexpr uint32_t kLogoutFlag = 1u << 16;

bool Is(const Slice& slice, const std::string& text) {
  return slice.length == text.size() && memcmp(slice.data, text.data(), text.size()) == 0;
}

// Answers a question about the entries of a dictionary once for each entry of a segment.
class DictionaryAnswers {
 public:
  void Reset() { answers_.clear(); }
  // Rows of another segment have other codes.
  void EnterSegment(uint64_t segment) {
    if (segment != segment_) Reset();
    segment_ = segment;
  }
  template <typename Ask>
  bool Of(const SegmentRows& rows, const ColumnDescriptor& column, uint32_t row, Ask ask) {
    if (!rows.valid(column, row)) return false;
    uint32_t code = rows.code(column, row);
    if (code >= answers_.size()) answers_.resize(code + 1, kUnknown);
    if (answers_[code] == kUnknown) answers_[code] = ask(rows.dictionary_text(column, code));
    return answers_[code] != 0;
  }

 private:
  static constexpr uint8_t kUnknown = 2;
  uint64_t segment_ = 0;
  std::vector<uint8_t> answers_;
};

}  // namespace

class IdentifierIndex : public Napi::ObjectWrap<IdentifierIndex>, public RowResolver {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "IdentifierIndex",
                       {InstanceMethod<&IdentifierIndex::Configure>("configure"),
                        InstanceMethod<&IdentifierIndex::Prepare>("prepare"),
                        InstanceMethod<&IdentifierIndex::Grant>("grant"),
                        InstanceMethod<&IdentifierIndex::ResolveRows>("resolveRows"),
                        InstanceMethod<&IdentifierIndex::Lookup>("lookup"),
                        InstanceMethod<&IdentifierIndex::FindAll>("findAll"),
                        InstanceMethod<&IdentifierIndex::ValueOf>("valueOf"),
                        InstanceMethod<&IdentifierIndex::TypeOf>("typeOf"),
                        InstanceMethod<&IdentifierIndex::Erase>("erase"),
                        InstanceMethod<&IdentifierIndex::Publish>("publish"),
                        InstanceMethod<&IdentifierIndex::PartBytes>("partBytes"),
                        InstanceMethod<&IdentifierIndex::ReadState>("readPart"),
                        InstanceMethod<&IdentifierIndex::WriteState>("writePart"),
                        InstanceMethod<&IdentifierIndex::BeginRestore>("beginRestore"),
                        InstanceMethod<&IdentifierIndex::EndRestore>("endRestore"),
                        InstanceMethod<&IdentifierIndex::Close>("close"),
                        InstanceMethod<&IdentifierIndex::MemoryOf>("memoryOf"),
                        InstanceAccessor<&IdentifierIndex::Count>("count")});
  }

  // new IdentifierIndex(directory, nodesMax, valuesBytesMax)
  explicit IdentifierIndex(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<IdentifierIndex>(info), seed_(RandomSeed()) {
    std::string directory = info[0].ToString();
    uint64_t nodes_max = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
    uint64_t bytes_max = static_cast<uint64_t>(info[2].ToNumber().Int64Value());
    std::string failure =
        blocks_.Create(directory + "/node_values.array", sizeof(NodeBlock), BlocksOf(nodes_max));
    if (failure.empty()) failure = values_.Create(directory + "/identifier_values.array", 1, bytes_max);
    if (failure.empty()) failure = Ensure(1, 0);
    if (failure.empty()) failure = table_.Open(nodes_max);
    if (!failure.empty()) {
      Napi::Error::New(info.Env(), failure).ThrowAsJavaScriptException();
    }
  }

  std::string Claim(const RoomClaim& claim) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!room_.Has(claim)) return "no room was granted";
    uint64_t nodes = room_.claimed().identifiers + claim.identifiers;
    uint64_t text_bytes = room_.claimed().text_bytes + claim.text_bytes;
    std::string failure = Ensure(nodes, text_bytes * readings_max_ + nodes);
    if (failure.empty()) room_.Take(claim);
    return failure;
  }

  void Release(const RoomClaim& claim) override {
    std::lock_guard<std::mutex> lock(mutex_);
    room_.Settle(claim, 0);
  }

  ResolvedRows Resolve(const SegmentRows& rows, uint32_t first, uint32_t count,
                       const RoomClaim& claim, std::vector<uint32_t>* words) override {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t identifiers = ResolveRange(rows, first, count, words);
    room_.Settle(claim, identifiers);
    return {count_, identifiers};
  }

 private:
  std::string Ensure(uint64_t nodes, uint64_t bytes) {
    std::string failure = blocks_.Ensure(BlocksOf(count_ + nodes));
    if (failure.empty()) failure = values_.Ensure(values_used_ + bytes);
    return failure;
  }

  // prepare(nodes, bytes): makes room for that many new nodes whose values, with a byte of overhead
  // each, add up to `bytes`. Returns "" or why there is none. Resolving within what was prepared
  // cannot fail, so it can happen after the log was synced.
  Napi::Value Prepare(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    return Napi::String::New(info.Env(),
                             Ensure(static_cast<uint64_t>(info[0].ToNumber().Int64Value()),
                                    static_cast<uint64_t>(info[1].ToNumber().Int64Value())));
  }

  // grant(identifiers): so many more may come, what they lead to has room.
  Napi::Value Grant(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    room_.Grant(static_cast<uint64_t>(info[0].ToNumber().Int64Value()));
    return info.Env().Undefined();
  }

  uint64_t HashOf(uint8_t type, const Slice& value) const {
    return HashBytes(value.data, value.length, seed_ + type);
  }

  bool Equals(uint32_t node, uint8_t type, const Slice& value) const {
    Slice known = ValueAt(node);
    return known.length == value.length && TypeAt(node) == type &&
           memcmp(known.data, value.data, known.length) == 0;
  }

  NodeEntry EntryAt(uint32_t node) const { return EntryOf(blocks_.data<NodeBlock>(), node); }
  // Of a given node.
  Slice ValueAt(uint32_t node) const {
    NodeEntry entry = EntryAt(node);
    return {values_.data<char>() + entry.start + 1, static_cast<uint32_t>(entry.end - entry.start - 1)};
  }
  uint8_t TypeAt(uint32_t node) const { return values_.data<uint8_t>()[EntryAt(node).start]; }

  static uint32_t TagOf(uint64_t hash) {
    return static_cast<uint32_t>(hash) >> (32 - NodeTable::kTagBits);
  }
  // Each of the three lines of a look-up is found through the one before. A block of rows fetches them
  // in three passes; what the passes guess wrongly, after a collision, is only slower.
  void Prefetch(uint64_t hash) const { table_.Prefetch(TagOf(hash)); }
  // Returns the likely node, for the next pass.
  uint32_t PrefetchBlock(uint64_t hash) const {
    uint32_t node = table_.Candidate(TagOf(hash));
    if (node != 0) __builtin_prefetch(blocks_.data<NodeBlock>() + (node - 1) / kBlockNodes);
    return node;
  }
  void PrefetchValue(uint32_t node) const {
    if (node == 0) return;
    // Half of the values begin in one line and end in the next.
    NodeEntry entry = EntryAt(node);
    __builtin_prefetch(values_.data<char>() + entry.start);
    __builtin_prefetch(values_.data<char>() + entry.end - 1);
  }

  // The node of a value, or 0.
  uint32_t Find(uint64_t hash, uint8_t type, const Slice& value) const {
    return table_.Find(TagOf(hash), [&](uint32_t node) { return Equals(node, type, value); });
  }

  uint32_t FindOrAdd(uint64_t hash, uint8_t type, const Slice& value) {
    uint32_t node = Find(hash, type, value);
    if (node != 0) return node;
    node = count_ + 1;
    char* at = values_.data<char>() + values_used_;
    *at = static_cast<char>(type);
    memcpy(at + 1, value.data, value.length);
    NodeBlock& block = blocks_.data<NodeBlock>()[(node - 1) / kBlockNodes];
    uint32_t place = (node - 1) % kBlockNodes;
    if (place == 0) block.start = values_used_;
    values_used_ += 1 + uint64_t{value.length};
    block.ends[place] = static_cast<uint16_t>(values_used_ - block.start);
    table_.Add(TagOf(hash), node);
    __atomic_store_n(&count_, node, __ATOMIC_RELEASE);
    return node;
  }

  // configure(steps, paths, logoutEvents, valueBytesMax). `steps` has the NormalizeStep bits of every
  // type by its number; a path is {type, column, keys, externalType: string | null, isList}.
  Napi::Value Configure(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    Napi::Uint8Array steps = info[0].As<Napi::Uint8Array>();
    memset(steps_, 0, sizeof(steps_));
    memcpy(steps_, steps.Data(), std::min(steps.ElementLength(), sizeof(steps_)));
    Napi::Array list = info[1].As<Napi::Array>();
    std::vector<IdentifierExtractor::Path> paths;
    for (uint32_t i = 0; i < list.Length(); i++) {
      Napi::Object path = list.Get(i).As<Napi::Object>();
      uint32_t type = path.Get("type").ToNumber().Uint32Value() & 0xff;
      std::string column = path.Get("column").ToString();
      std::vector<std::string> keys;
      Napi::Array key_list = path.Get("keys").As<Napi::Array>();
      for (uint32_t k = 0; k < key_list.Length(); k++) keys.push_back(key_list.Get(k).ToString());
      paths.push_back({static_cast<uint8_t>(type), steps_[type],
                       column == "context"  ? IdentifierExtractor::kContext
                       : column == "traits" ? IdentifierExtractor::kTraits
                                            : IdentifierExtractor::kProperties,
                       keys, path.Get("isList").ToBoolean(), path.Get("externalType").ToString()});
    }
    readings_max_ = ReadingsMax(paths);
    extractor_.Configure(paths, info[3].ToNumber().Uint32Value());
    Napi::Array names = info[2].As<Napi::Array>();
    logout_events_.clear();
    for (uint32_t i = 0; i < names.Length(); i++) logout_events_.push_back(names.Get(i).ToString());
    is_logout_.Reset();
    return info.Env().Undefined();
  }

  // As how many types one text can be read.
  static uint64_t ReadingsMax(const std::vector<IdentifierExtractor::Path>& paths) {
    int64_t most = 1;
    for (const IdentifierExtractor::Path& path : paths) {
      most = std::max(most, std::count_if(paths.begin(), paths.end(), [&](const auto& other) {
        return other.column == path.column && other.keys == path.keys;
      }));
    }
    return static_cast<uint64_t>(most);
  }

  // The comparable form of a value; itself, or in `scratch`. Absent when nothing is left of it.
  Slice Comparable(uint8_t type, const Slice& value, std::string* scratch) const {
    if (steps_[type] == 0 || !value.present()) return value;
    scratch->assign(value.data, value.length);
    Normalize(steps_[type], scratch);
    if (scratch->empty()) return {};
    return {scratch->data(), static_cast<uint32_t>(scratch->size())};
  }

  // resolveRows(region, row, count, out): for each of `count` rows of an `events` segment, writes
  // [user node, anonymous node, previous node, list] to out[4 * i …]; 0 where there is none. `list` is
  // a position in out, behind the words of all rows, of [count | flags, then type and node of each]:
  // identifiers found by configured paths, and the account of a group call. A hidden row gives zeros.
  // The previous id of an alias is a user_id when one of that value is known, else an anonymous_id.
  // New nodes are numbered row by row, in the order user, anonymous, list, previous.
  // Returns whether the arguments made sense.
  Napi::Value ResolveRows(const Napi::CallbackInfo& info) {
    SegmentRows rows;
    uint32_t first = info[1].As<Napi::Number>().Uint32Value();
    uint32_t count = info[2].As<Napi::Number>().Uint32Value();
    Napi::Uint32Array out = info[3].As<Napi::Uint32Array>();
    bool sound = rows.Attach(RegionObject::FromValue(info[0])) &&
                 rows.column_count() > kContextColumn && first <= rows.staged_rows() &&
                 count <= rows.staged_rows() - first;
    if (!sound) return Napi::Boolean::New(info.Env(), false);
    std::vector<uint32_t> words;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ResolveRange(rows, first, count, &words);
    }
    sound = words.size() <= out.ElementLength();
    if (sound) std::copy(words.begin(), words.end(), out.Data());
    return Napi::Boolean::New(info.Env(), sound);
  }

  // Appends the words of resolveRows. Returns the number of identifiers in the rows.
  uint32_t ResolveRange(const SegmentRows& rows, uint32_t first, uint32_t count,
                    std::vector<uint32_t>* words) {
    is_group_.EnterSegment(rows.segment_id());
    is_logout_.EnterSegment(rows.segment_id());
    const size_t start = words->size();
    uint32_t identifiers = 0;
    words->resize(start + size_t{count} * 4);
    const ColumnDescriptor& users = rows.column(kUserIdColumn);
    const ColumnDescriptor& anonymous = rows.column(kAnonymousIdColumn);
    const ColumnDescriptor& previous = rows.column(kPreviousIdColumn);
    Slice user[kBlockRows], visitor[kBlockRows];
    uint64_t user_hash[kBlockRows], visitor_hash[kBlockRows];
    uint32_t likely_user[kBlockRows], likely_visitor[kBlockRows];
    std::string user_text[kBlockRows], visitor_text[kBlockRows];
    for (uint32_t done = 0; done < count;) {
      uint32_t block = count - done < kBlockRows ? count - done : kBlockRows;
      for (uint32_t i = 0; i < block; i++) {
        uint32_t row = first + done + i;
        bool hidden = rows.hidden(row);
        user[i] = hidden ? Slice{} : Comparable(kUserIdType, rows.text(users, row), &user_text[i]);
        visitor[i] = hidden ? Slice{}
                            : Comparable(kAnonymousIdType, rows.text(anonymous, row), &visitor_text[i]);
        if (user[i].present()) Prefetch(user_hash[i] = HashOf(kUserIdType, user[i]));
        if (visitor[i].present()) Prefetch(visitor_hash[i] = HashOf(kAnonymousIdType, visitor[i]));
      }
      for (uint32_t i = 0; i < block; i++) {
        likely_user[i] = user[i].present() ? PrefetchBlock(user_hash[i]) : 0;
        likely_visitor[i] = visitor[i].present() ? PrefetchBlock(visitor_hash[i]) : 0;
      }
      for (uint32_t i = 0; i < block; i++) {
        PrefetchValue(likely_user[i]);
        PrefetchValue(likely_visitor[i]);
      }
      for (uint32_t i = 0; i < block; i++) {
        uint32_t nodes[4] = {
            user[i].present() ? FindOrAdd(user_hash[i], kUserIdType, user[i]) : 0,
            visitor[i].present() ? FindOrAdd(visitor_hash[i], kAnonymousIdType, visitor[i]) : 0, 0, 0};
        uint32_t row = first + done + i;
        if (!rows.hidden(row)) {
          uint32_t list[1 + 2 * kFurtherNodesMax];
          if (ResolveFurther(rows, row, nodes, list)) {
            nodes[3] = static_cast<uint32_t>(words->size() - start);
            uint32_t further = list[0] & (kLogoutFlag - 1);
            identifiers += further;
            words->insert(words->end(), list, list + 1 + 2 * further);
          }
          Slice former = rows.text(previous, row);
          if (former.present()) nodes[2] = ResolveFormer(former);
        }
        identifiers += (nodes[0] != 0) + (nodes[1] != 0) + (nodes[2] != 0);
        std::copy(nodes, nodes + 4, words->begin() + start + (size_t{done} + i) * 4);
      }
      done += block;
    }
    return identifiers;
  }

  // Writes a row's list; false when it would be empty. A user_id or anonymous_id that a path found
  // takes the place that the call itself left empty.
  bool ResolveFurther(const SegmentRows& rows, uint32_t row, uint32_t* nodes, uint32_t* list) {
    uint32_t count = 0;
    auto add = [&](uint8_t type, const Slice& value) {
      if (type <= kAnonymousIdType && nodes[type - 1] != 0) return;
      if (count == kFurtherNodesMax) return;
      uint32_t node = FindOrAdd(HashOf(type, value), type, value);
      if (type <= kAnonymousIdType) {
        nodes[type - 1] = node;
        return;
      }
      for (uint32_t i = 0; i < count; i++) {
        if (list[2 + 2 * i] == node) return;
      }
      list[1 + 2 * count] = type;
      list[2 + 2 * count] = node;
      count++;
    };
    bool is_group = is_group_.Of(rows, rows.column(kTypeColumn), row,
                                 [](const Slice& type) { return Is(type, "group"); });
    extractor_.EachOf(rows, row, is_group, add);
    if (is_group) {
      Slice account = Comparable(kAccountType, rows.text(rows.column(kGroupIdColumn), row), &scratch_);
      if (account.present()) add(kAccountType, account);
    }
    bool is_logout = !logout_events_.empty() &&
                     is_logout_.Of(rows, rows.column(kEventColumn), row, [&](const Slice& event) {
                       for (const std::string& name : logout_events_) {
                         if (Is(event, name)) return true;
                       }
                       return false;
                     });
    list[0] = count | (is_logout ? kLogoutFlag : 0);
    return list[0] != 0;
  }

  uint32_t ResolveFormer(const Slice& text) {
    Slice value = Comparable(kUserIdType, text, &scratch_);
    if (value.present()) {
      uint32_t user = Find(HashOf(kUserIdType, value), kUserIdType, value);
      if (user != 0) return user;
    }
    value = Comparable(kAnonymousIdType, text, &scratch_);
    return value.present() ? FindOrAdd(HashOf(kAnonymousIdType, value), kAnonymousIdType, value) : 0;
  }

  // lookup(type, value): the node, or 0 when the value was never seen.
  Napi::Value Lookup(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint8_t type = static_cast<uint8_t>(info[0].As<Napi::Number>().Uint32Value());
    std::string text = info[1].ToString();
    Slice value =
        Comparable(type, Slice{text.data(), static_cast<uint32_t>(text.size())}, &scratch_);
    uint32_t node = value.present() ? Find(HashOf(type, value), type, value) : 0;
    return Napi::Number::New(info.Env(), node);
  }

  // findAll(request, types, nodes): the nodes of all identifiers that a request (identifier_request.h)
  // asks for; 0 for those never seen. Writes the request's id to nodes[0], the nodes behind it, and
  // returns how many; -1 when the request is not plain or asks for more than there is room for.
  Napi::Value FindAll(const Napi::CallbackInfo& info) {
    Napi::Uint8Array request = info[0].As<Napi::Uint8Array>();
    Napi::Array names = info[1].As<Napi::Array>();
    Napi::Uint32Array nodes = info[2].As<Napi::Uint32Array>();
    std::vector<std::string> types;
    for (uint32_t i = 0; i < names.Length(); i++) types.push_back(names.Get(i).ToString());
    const char* json = reinterpret_cast<const char*>(request.Data());
    if (nodes.ElementLength() == 0 ||
        !request_.Parse(json, request.ByteLength(), types, nodes.ElementLength() - 1)) {
      return Napi::Number::New(info.Env(), -1);
    }
    nodes[0] = request_.id();
    const std::vector<TypedText>& identifiers = request_.identifiers();
    for (size_t done = 0; done < identifiers.size(); done += kBlockRows) {
      size_t block = std::min(identifiers.size() - done, size_t{kBlockRows});
      FindBlock(identifiers.data() + done, block, nodes.Data() + 1 + done);
    }
    return Napi::Number::New(info.Env(), static_cast<double>(identifiers.size()));
  }

  // Takes the mutex for itself: the stager does not wait for a whole request.
  void FindBlock(const TypedText* identifiers, size_t count, uint32_t* nodes) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint64_t hashes[kBlockRows];
    Slice values[kBlockRows];
    for (size_t i = 0; i < count; i++) {
      values[i] = Comparable(identifiers[i].type, identifiers[i].value, &request_texts_[i]);
      if (!values[i].present()) continue;
      hashes[i] = HashOf(identifiers[i].type, values[i]);
      Prefetch(hashes[i]);
    }
    for (size_t i = 0; i < count; i++) {
      nodes[i] = values[i].present() ? PrefetchBlock(hashes[i]) : 0;
    }
    for (size_t i = 0; i < count; i++) PrefetchValue(nodes[i]);
    for (size_t i = 0; i < count; i++) {
      if (nodes[i] != 0) nodes[i] = Find(hashes[i], identifiers[i].type, values[i]);
    }
  }

  bool Known(const Napi::CallbackInfo& info, uint32_t* node) const {
    *node = info[0].As<Napi::Number>().Uint32Value();
    return *node >= 1 && *node <= GivenCount();
  }

  // What was given by then does not change: asked without the mutex, which the stager holds for a batch.
  uint32_t GivenCount() const { return __atomic_load_n(&count_, __ATOMIC_ACQUIRE); }

  // A node that was given does not change: no lock is taken, for the fold asks of every new node.
  Napi::Value ValueOf(const Napi::CallbackInfo& info) {
    uint32_t node;
    if (!Known(info, &node)) return info.Env().Undefined();
    if (TypeAt(node) == kErasedType) return info.Env().Undefined();
    Slice value = ValueAt(node);
    return Napi::String::New(info.Env(), value.data, value.length);
  }

  Napi::Value TypeOf(const Napi::CallbackInfo& info) {
    uint32_t node;
    if (!Known(info, &node)) return Napi::Number::New(info.Env(), 0);
    return Napi::Number::New(info.Env(), TypeAt(node));
  }

  // erase(node): nothing is left of the value of a given node but its length. The next event that has the
  // value gets another node. No row that was resolved to the node is still to be folded.
  Napi::Value Erase(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t node;
    if (!Known(info, &node)) return info.Env().Undefined();
    NodeEntry entry = EntryAt(node);
    // The type comes first, and no value that is looked for is of this one.
    values_.data<uint8_t>()[entry.start] = kErasedType;
    memset(values_.data<char>() + entry.start + 1, 0, entry.end - entry.start - 1);
    return info.Env().Undefined();
  }

  // publish(nodes): lets readers see the nodes up to that one. Nodes of batches that are not durable
  // yet may stand behind it.
  Napi::Value Publish(const Napi::CallbackInfo& info) {
    uint32_t nodes = std::min(info[0].As<Napi::Number>().Uint32Value(), GivenCount());
    // A reader takes no node whose value ends behind this, so that a block may be half published.
    values_.Publish(nodes == 0 ? 0 : EntryAt(nodes).end);
    blocks_.Publish(BlocksOf(nodes));
    return info.Env().Undefined();
  }

  // What a checkpoint keeps, at rest: part 0 is node_values, part 1 identifier_values. The hash table is
  // made anew from them.
  StatePart PartOf(const Napi::CallbackInfo& info) const {
    if (info[0].As<Napi::Number>().Uint32Value() != 0) return {values_.data<char>(), values_used_};
    return {blocks_.data<char>(), BlocksOf(count_) * sizeof(NodeBlock)};
  }
  // partBytes(part), readPart(part, offset, target), writePart(part, offset, source): state_part.h.
  Napi::Value PartBytes(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    return Napi::Number::New(info.Env(), static_cast<double>(PartOf(info).bytes));
  }
  Napi::Value ReadState(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    return ReadPart(info, PartOf(info));
  }
  Napi::Value WriteState(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    return WritePart(info, PartOf(info));
  }

  // beginRestore(blockBytes, valueBytes): an empty index makes room for exactly the parts that are
  // written next. Returns "" or why there is none. Nothing may be looked up before endRestore().
  Napi::Value BeginRestore(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint64_t blocks = static_cast<uint64_t>(info[0].ToNumber().Int64Value()) / sizeof(NodeBlock);
    uint64_t bytes = static_cast<uint64_t>(info[1].ToNumber().Int64Value());
    std::string failure =
        count_ != 0 ? "the index is not empty" : Ensure(blocks * kBlockNodes, bytes);
    if (failure.empty()) {
      count_ = static_cast<uint32_t>(blocks * kBlockNodes);
      values_used_ = bytes;
    }
    return Napi::String::New(info.Env(), failure);
  }

  // endRestore(): makes the table, in a thread of the pool, since it takes as long as reading all the rest of a
  // checkpoint. Resolves to false, and an empty index, when values do not lie one behind another as they were
  // written. Until then nothing else may be asked.
  Napi::Value EndRestore(const Napi::CallbackInfo& info) {
    auto* ending = new Ending(info.Env(), this, info.This().As<Napi::Object>());
    ending->Queue();
    return ending->promise();
  }

  class Ending : public Napi::AsyncWorker {
   public:
    Ending(Napi::Env env, IdentifierIndex* index, Napi::Object self)
        : Napi::AsyncWorker(env),
          index_(index),
          self_(Napi::Persistent(self)),
          deferred_(Napi::Promise::Deferred::New(env)) {}
    Napi::Promise promise() const { return deferred_.Promise(); }

   protected:
    void Execute() override { is_sound_ = index_->MakeTable(); }
    void OnOK() override { deferred_.Resolve(Napi::Boolean::New(Env(), is_sound_)); }

   private:
    IdentifierIndex* const index_;
    Napi::ObjectReference self_;  // keeps the index until it is over
    Napi::Promise::Deferred deferred_;
    bool is_sound_ = false;
  };

  bool MakeTable() {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t given = 0;
    uint64_t end = 0;
    while (given < count_) {
      NodeEntry entry = EntryAt(given + 1);
      if (entry.end == 0 || entry.start != end || entry.end > values_used_) break;
      end = entry.end;
      given++;
    }
    // The last block may be filled in part.
    bool sound = end == values_used_ && BlocksOf(given) == BlocksOf(count_);
    if (!sound) given = values_used_ = 0;
    count_ = given;
    FillTable();
    return sound;
  }

  void FillTable() {
    table_.Clear(count_);
    uint32_t tags[kBlockRows];
    for (uint32_t done = 0; done < count_; done += kBlockRows) {
      uint32_t block = std::min(count_ - done, kBlockRows);
      for (uint32_t i = 0; i < block; i++) {
        uint32_t node = done + i + 1;
        table_.Prefetch(tags[i] = TagOf(HashOf(TypeAt(node), ValueAt(node))));
      }
      for (uint32_t i = 0; i < block; i++) {
        if (TypeAt(done + i + 1) != kErasedType) table_.Add(tags[i], done + i + 1);
      }
    }
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    blocks_.Close();
    values_.Close();
    if (count_ != 0) table_.Clear(0);
    count_ = 0;
    return info.Env().Undefined();
  }

  Napi::Value Count(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), GivenCount());
  }

  // memoryOf(part): bytes that node_values, identifier_values or the hash table (2) take.
  Napi::Value MemoryOf(const Napi::CallbackInfo& info) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint64_t bytes[] = {blocks_.backed_bytes(), values_.backed_bytes(), table_.bytes()};
    uint32_t part = info[0].As<Napi::Number>().Uint32Value();
    return Napi::Number::New(info.Env(), part < 3 ? static_cast<double>(bytes[part]) : 0);
  }

  std::mutex mutex_;
  const uint64_t seed_;
  ArrayFile blocks_, values_;
  uint64_t values_used_ = 0;
  uint32_t count_ = 0;
  NodeTable table_;
  uint8_t steps_[256] = {};
  uint64_t readings_max_ = 1;
  IdentifierRoom room_;
  IdentifierExtractor extractor_;
  std::vector<std::string> logout_events_;
  DictionaryAnswers is_group_, is_logout_;
  std::string scratch_;
  // Of the main thread.
  IdentifierRequest request_;
  std::string request_texts_[kBlockRows];
};

RowResolver* RowResolver::FromValue(const Napi::Value& value) {
  return Napi::ObjectWrap<IdentifierIndex>::Unwrap(value.As<Napi::Object>());
}

void InitIdentifierIndex(Napi::Env env, Napi::Object exports) {
  exports.Set("IdentifierIndex", IdentifierIndex::Define(env));
}

}  // namespace tributary
