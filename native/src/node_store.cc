#include "node_store.h"

#include <algorithm>

namespace tributary {

std::string NodeStore::Create(const std::string& directory, uint64_t nodes_max,
                              uint64_t value_bytes_max) {
  std::string failure =
      blocks_.Create(directory + "/node_values.array", sizeof(NodeBlock), BlocksOf(nodes_max));
  if (failure.empty()) {
    failure = values_.Create(directory + "/identifier_values.array", 1, value_bytes_max);
  }
  if (failure.empty()) failure = Ensure(1, 0);
  if (failure.empty()) failure = table_.Open(nodes_max);
  return failure;
}

std::string NodeStore::Ensure(uint64_t nodes, uint64_t bytes) {
  std::string failure = blocks_.Ensure(BlocksOf(count_ + nodes));
  if (failure.empty()) failure = values_.Ensure(values_used_ + bytes);
  return failure;
}

void NodeStore::Close() {
  blocks_.Close();
  values_.Close();
  if (count_ != 0) table_.Clear(0);
  count_ = 0;
}

void NodeStore::Erase(uint32_t node) {
  NodeEntry entry = EntryAt(node);
  // The type comes first, and no value that is looked for is of this one.
  values_.data<uint8_t>()[entry.start] = kErasedType;
  memset(values_.data<char>() + entry.start + 1, 0, entry.end - entry.start - 1);
}

void NodeStore::Publish(uint32_t nodes) {
  // A reader takes no node whose value ends behind this, so that a block may be half published.
  values_.Publish(nodes == 0 ? 0 : EntryAt(nodes).end);
  blocks_.Publish(BlocksOf(nodes));
}

StatePart NodeStore::PartOf(uint32_t part) const {
  if (part != 0) return {values_.data<char>(), values_used_};
  return {blocks_.data<char>(), BlocksOf(count_) * sizeof(NodeBlock)};
}

std::string NodeStore::BeginRestore(uint64_t block_bytes, uint64_t value_bytes) {
  if (count_ != 0) return "the index is not empty";
  uint64_t nodes = block_bytes / sizeof(NodeBlock) * kBlockNodes;
  std::string failure = Ensure(nodes, value_bytes);
  if (failure.empty()) {
    count_ = static_cast<uint32_t>(nodes);
    values_used_ = value_bytes;
  }
  return failure;
}

bool NodeStore::EndRestore() {
  uint32_t given = 0;
  uint64_t end = 0;
  while (given < count_) {
    NodeEntry entry = EntryAt(given + 1);
    if (entry.end == 0 || entry.start != end || entry.end > values_used_) break;
    end = entry.end;
    given++;
  }
  // The last block may be filled in part.
  bool is_sound = end == values_used_ && BlocksOf(given) == BlocksOf(count_);
  if (!is_sound) given = values_used_ = 0;
  count_ = given;
  FillTable();
  return is_sound;
}

void NodeStore::FillTable() {
  table_.Clear(count_);
  uint32_t tags[kLookupsTogether];
  for (uint32_t done = 0; done < count_; done += kLookupsTogether) {
    uint32_t block = std::min(count_ - done, kLookupsTogether);
    for (uint32_t i = 0; i < block; i++) {
      uint32_t node = done + i + 1;
      table_.Prefetch(tags[i] = TagOf(HashOf(TypeAt(node), ValueAt(node))));
    }
    for (uint32_t i = 0; i < block; i++) {
      if (TypeAt(done + i + 1) != kErasedType) table_.Add(tags[i], done + i + 1);
    }
  }
}

uint64_t NodeStore::MemoryOf(uint32_t part) const {
  if (part == 0) return blocks_.backed_bytes();
  if (part == 1) return values_.backed_bytes();
  return part == 2 ? table_.bytes() : 0;
}

}  // namespace tributary
