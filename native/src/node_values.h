// The values of nodes, in two shared arrays that query workers read too. Nodes are given in order, so
// their values lie one behind another, and an entry needs to say no more than where it ends:
//
//   identifier_values  per node: u8 type, the UTF-8 bytes
//   node_values        per 28 nodes, a cache line: u64 where the first entry begins, 28 × u16 where each
//                      ends, counted from there; 0: not given
//
// An entry has at most 1,025 bytes, so 28 of them end below 2^16.
#pragma once
#include <cstdint>
#include <cstring>

namespace tributary {

constexpr uint32_t kBlockNodes = 28;

// The types that C++ knows by itself; rules number the others. Shared with identity/identity-rules.ts.
enum NodeType : uint8_t { kErasedType = 0, kUserIdType = 1, kAnonymousIdType = 2, kAccountType = 255 };

struct NodeBlock {
  uint64_t start;
  uint16_t ends[kBlockNodes];
};
static_assert(sizeof(NodeBlock) == 64, "part of the format");

// Where the entry of a node lies in identifier_values. Empty for a node that was not given.
struct NodeEntry {
  uint64_t start = 0, end = 0;
};

// Blocks that nodes from 1 to this one take.
constexpr uint64_t BlocksOf(uint64_t nodes) { return (nodes + kBlockNodes - 1) / kBlockNodes; }

// `node` is 1 or more, and its block is there.
inline NodeEntry EntryOf(const NodeBlock* blocks, uint32_t node) {
  const NodeBlock& block = blocks[(node - 1) / kBlockNodes];
  uint32_t place = (node - 1) % kBlockNodes;
  uint32_t start = place == 0 ? 0 : block.ends[place - 1];
  uint32_t end = block.ends[place];
  if (end <= start) return {};
  return {block.start + start, block.start + end};
}

}  // namespace tributary
