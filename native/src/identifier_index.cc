#include "identifier_index.h"

#include <algorithm>

namespace tributary {

namespace {

// As how many types one text can be read.
uint64_t ReadingsMax(const std::vector<IdentifierExtractor::Path>& paths) {
  int64_t most = 1;
  for (const IdentifierExtractor::Path& path : paths) {
    most = std::max(most, std::count_if(paths.begin(), paths.end(), [&](const auto& other) {
      return other.column == path.column && other.keys == path.keys;
    }));
  }
  return static_cast<uint64_t>(most);
}

}  // namespace

std::string IdentifierIndex::Create(const std::string& directory, uint64_t nodes_max,
                                    uint64_t value_bytes_max) {
  return nodes_.Create(directory, nodes_max, value_bytes_max);
}

void IdentifierIndex::Close() {
  std::lock_guard<std::mutex> lock(mutex_);
  nodes_.Close();
}

void IdentifierIndex::Configure(const IdentifierRules& rules) {
  std::lock_guard<std::mutex> lock(mutex_);
  forms_ = rules.forms;
  readings_max_ = ReadingsMax(rules.paths);
  rows_.Configure(rules);
}

std::string IdentifierIndex::Prepare(uint64_t nodes, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  return nodes_.Ensure(nodes, bytes);
}

void IdentifierIndex::Grant(uint64_t identifiers) {
  std::lock_guard<std::mutex> lock(mutex_);
  room_.Grant(identifiers);
}

std::string IdentifierIndex::Claim(const RoomClaim& claim) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!room_.Has(claim)) return "no room was granted";
  uint64_t nodes = room_.claimed().identifiers + claim.identifiers;
  uint64_t text_bytes = room_.claimed().text_bytes + claim.text_bytes;
  std::string failure = nodes_.Ensure(nodes, text_bytes * readings_max_ + nodes);
  if (failure.empty()) room_.Take(claim);
  return failure;
}

void IdentifierIndex::Release(const RoomClaim& claim) {
  std::lock_guard<std::mutex> lock(mutex_);
  room_.Settle(claim, 0);
}

ResolvedRows IdentifierIndex::Resolve(const SegmentRows& rows, uint32_t first, uint32_t count,
                                      const RoomClaim& claim, std::vector<uint32_t>* words) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint32_t identifiers = rows_.Resolve(rows, first, count, words);
  room_.Settle(claim, identifiers);
  return {nodes_.count(), identifiers};
}

void IdentifierIndex::ResolvePrepared(const SegmentRows& rows, uint32_t first, uint32_t count,
                                      std::vector<uint32_t>* words) {
  std::lock_guard<std::mutex> lock(mutex_);
  rows_.Resolve(rows, first, count, words);
}

uint32_t IdentifierIndex::Find(uint8_t type, const Slice& value) {
  std::lock_guard<std::mutex> lock(mutex_);
  Slice comparable = forms_.Of(type, value, &scratch_);
  if (!comparable.present()) return 0;
  return nodes_.Find(nodes_.HashOf(type, comparable), type, comparable);
}

void IdentifierIndex::FindAll(const std::vector<TypedText>& identifiers, uint32_t* nodes) {
  for (size_t done = 0; done < identifiers.size(); done += kLookupsTogether) {
    size_t count = std::min(identifiers.size() - done, size_t{kLookupsTogether});
    FindTogether(identifiers.data() + done, count, nodes + done);
  }
}

// Takes the mutex for itself: the stager does not wait for a whole request.
void IdentifierIndex::FindTogether(const TypedText* identifiers, size_t count, uint32_t* nodes) {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t hashes[kLookupsTogether];
  Slice values[kLookupsTogether];
  for (size_t i = 0; i < count; i++) {
    values[i] = forms_.Of(identifiers[i].type, identifiers[i].value, &texts_[i]);
    if (!values[i].present()) continue;
    hashes[i] = nodes_.HashOf(identifiers[i].type, values[i]);
    nodes_.Prefetch(hashes[i]);
  }
  nodes_.FetchAhead(values, hashes, count, nodes);
  for (size_t i = 0; i < count; i++) {
    if (nodes[i] != 0) nodes[i] = nodes_.Find(hashes[i], identifiers[i].type, values[i], nodes[i]);
  }
}

Slice IdentifierIndex::ValueOf(uint32_t node) const {
  return TypeOf(node) == kErasedType ? Slice{} : nodes_.ValueAt(node);
}

uint8_t IdentifierIndex::TypeOf(uint32_t node) const {
  return IsGiven(node) ? nodes_.TypeAt(node) : kErasedType;
}

void IdentifierIndex::Erase(uint32_t node) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (IsGiven(node)) nodes_.Erase(node);
}

void IdentifierIndex::Publish(uint32_t nodes) {
  nodes_.Publish(std::min(nodes, nodes_.count()));
}

StatePart IdentifierIndex::PartOf(uint32_t part) {
  std::lock_guard<std::mutex> lock(mutex_);
  return nodes_.PartOf(part);
}

std::string IdentifierIndex::BeginRestore(uint64_t block_bytes, uint64_t value_bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  return nodes_.BeginRestore(block_bytes, value_bytes);
}

bool IdentifierIndex::EndRestore() {
  std::lock_guard<std::mutex> lock(mutex_);
  return nodes_.EndRestore();
}

uint64_t IdentifierIndex::MemoryOf(uint32_t part) {
  std::lock_guard<std::mutex> lock(mutex_);
  return nodes_.MemoryOf(part);
}

}  // namespace tributary
