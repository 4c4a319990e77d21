// Nodes and their values: from (type, value) to a dense ordinal and back, outside the JS heap, for a hundred million
// people.
//
// - A node is given once per (type, value), counting up from 1 in the order in which values come; so the same log
//   gives the same nodes, whatever the hash seed of the process is.
// - A look-up reads three lines: of the table (node_table.h), of where the node's value lies, and of the value
//   (node_values.h). Each is found through the one before, so look-ups of many fetch the lines of all in three passes.
//   A hit is confirmed against the value, so equal hashes never mix two people.
// - An erased node keeps its place and its length. Until the next start the table leads to it, and no further: its
//   type is one that nobody looks for.
// - One thread at a time adds, looks up and erases; whoever has a store sees to that. A node that was given does not
//   change, so count(), and what is known of the nodes up to it, is asked beside that thread.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

#include "array_file.h"
#include "hash.h"
#include "node_table.h"
#include "node_values.h"
#include "prefetch.h"
#include "slice.h"
#include "state_part.h"

namespace tributary {

// Look-ups whose lines are fetched together.
constexpr uint32_t kLookupsTogether = 16;

class NodeStore {
 public:
  // Returns "" or the reason.
  std::string Create(const std::string& directory, uint64_t nodes_max, uint64_t value_bytes_max);
  // Makes room for so many new nodes whose values, with a byte of overhead each, have `bytes` together. Returns "" or
  // why there is none.
  std::string Ensure(uint64_t nodes, uint64_t bytes);
  void Close();

  // The last node that was given. From any thread.
  uint32_t count() const { return __atomic_load_n(&count_, __ATOMIC_ACQUIRE); }
  // Of nodes that were given.
  Slice ValueAt(uint32_t node) const {
    NodeEntry entry = EntryAt(node);
    return {values_.data<char>() + entry.start + 1, static_cast<uint32_t>(entry.end - entry.start - 1)};
  }
  uint8_t TypeAt(uint32_t node) const { return values_.data<uint8_t>()[EntryAt(node).start]; }

  uint64_t HashOf(uint8_t type, const Slice& value) const {
    return HashBytes(value.data, value.length, seed_ + type);
  }
  // The first pass of look-ups of many; FetchAhead() is the others.
  void Prefetch(uint64_t hash) const { table_.Prefetch(TagOf(hash)); }
  // Fetches what look-ups of `count` values are going to read; absent ones are passed over. Fills `likely` with their
  // nodes, which after a collision may be others, and 0 where there is certainly none.
  void FetchAhead(const Slice* values, const uint64_t* hashes, size_t count, uint32_t* likely) const {
    for (size_t i = 0; i < count; i++) likely[i] = values[i].present() ? PrefetchBlocks(hashes[i]) : 0;
    for (size_t i = 0; i < count; i++) {
      if (likely[i] == kSeveral) likely[i] = PrefetchTied(hashes[i], values[i].length);
      else if (likely[i] != 0) PrefetchEntry(EntryAt(likely[i]));
    }
  }

  // The node of a value, or 0. The table is searched only if it is not the likely one.
  uint32_t Find(uint64_t hash, uint8_t type, const Slice& value, uint32_t likely = 0) const {
    if (likely != 0 && Equals(likely, type, value)) return likely;
    return table_.Find(TagOf(hash), [&](uint32_t node) { return Equals(node, type, value); });
  }

  // As Find(). Within what Ensure() made room for, and so without failure.
  uint32_t FindOrAdd(uint64_t hash, uint8_t type, const Slice& value, uint32_t likely = 0) {
    uint32_t node = Find(hash, type, value, likely);
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

  // Nothing is left of the value of a given node but its length; the next one to add the value gets another node.
  void Erase(uint32_t node);
  // Lets readers see the given nodes up to that one, and no others.
  void Publish(uint32_t nodes);

  // What a checkpoint keeps: part 0 is node_values, any other identifier_values. The table is made anew from them.
  StatePart PartOf(uint32_t part) const;
  // An empty store makes room for exactly the parts that are written next. Returns "" or why there is none. Nothing
  // may be looked up before EndRestore().
  std::string BeginRestore(uint64_t block_bytes, uint64_t value_bytes);
  // Makes the table, which takes as long as reading all the rest of a checkpoint. Returns false, and is empty, when
  // values do not lie one behind another as they were written.
  bool EndRestore();

  // Bytes that node_values (0), identifier_values (1) or the table (2) take.
  uint64_t MemoryOf(uint32_t part) const;

 private:
  static constexpr uint32_t kSeveral = UINT32_MAX;  // is no node

  static uint32_t TagOf(uint64_t hash) {
    return static_cast<uint32_t>(hash) >> (32 - NodeTable::kTagBits);
  }
  NodeEntry EntryAt(uint32_t node) const { return EntryOf(blocks_.data<NodeBlock>(), node); }
  bool Equals(uint32_t node, uint8_t type, const Slice& value) const {
    Slice known = ValueAt(node);
    return known.length == value.length && TypeAt(node) == type &&
           memcmp(known.data, value.data, known.length) == 0;
  }
  // Of all nodes of the tag. Returns the only one, 0 or kSeveral.
  uint32_t PrefetchBlocks(uint64_t hash) const {
    uint32_t any = 0;
    table_.EachOf(TagOf(hash), [&](uint32_t node) {
      PrefetchLine(blocks_.data<NodeBlock>() + (node - 1) / kBlockNodes);
      any = any == 0 ? node : kSeveral;
    });
    return any;
  }
  void PrefetchEntry(const NodeEntry& entry) const {
    // Half of the values begin in one line and end in the next.
    PrefetchLine(values_.data<char>() + entry.start);
    PrefetchLine(values_.data<char>() + entry.end - 1);
  }
  // The values of the tag that are so long. Returns the node of one of them, or 0.
  uint32_t PrefetchTied(uint64_t hash, uint32_t length) const {
    uint32_t any = 0;
    table_.EachOf(TagOf(hash), [&](uint32_t node) {
      NodeEntry entry = EntryAt(node);
      if (entry.end - entry.start != uint64_t{length} + 1) return;
      PrefetchEntry(entry);
      any = node;
    });
    return any;
  }
  void FillTable();

  const uint64_t seed_ = RandomSeed();
  ArrayFile blocks_, values_;
  uint64_t values_used_ = 0;
  uint32_t count_ = 0;
  NodeTable table_;
};

}  // namespace tributary
