// What identity knows of identifiers, for the threads that share it: the stager's claim room and bring rows, the main
// thread grants room, looks up, erases and publishes.
//
// - What values are looked for, and how they are made comparable, is set by Configure(), which the fold calls in the
//   order of the log. Values are normalised before they become nodes (row_nodes.h), and by look-ups too.
// - One mutex, taken twice for a batch, and once for every kLookupsTogether look-ups of a request. What is known of a
//   node that was given does not change: it is asked without, for the fold asks of every new node.
// - Whoever has claimed room cannot fail any more, so that rows get their nodes after the log was told of them.
#pragma once
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "identifier_request.h"
#include "identifier_room.h"
#include "node_store.h"
#include "row_nodes.h"
#include "row_resolver.h"

namespace tributary {

class IdentifierIndex : public RowResolver {
 public:
  // Returns "" or the reason.
  std::string Create(const std::string& directory, uint64_t nodes_max, uint64_t value_bytes_max);
  void Close();

  void Configure(const IdentifierRules& rules);

  // Makes room for so many new nodes, as NodeStore::Ensure().
  std::string Prepare(uint64_t nodes, uint64_t bytes);
  // So many more identifiers may come; what they lead to has room.
  void Grant(uint64_t identifiers);
  std::string Claim(const RoomClaim& claim) override;
  void Release(const RoomClaim& claim) override;

  // Appends the words of row_nodes.h.
  ResolvedRows Resolve(const SegmentRows& rows, uint32_t first, uint32_t count,
                       const RoomClaim& claim, std::vector<uint32_t>* words) override;
  // The same within what Prepare() made room for, without a claim.
  void ResolvePrepared(const SegmentRows& rows, uint32_t first, uint32_t count,
                       std::vector<uint32_t>* words);

  // The node of a value; 0 when it was never seen.
  uint32_t Find(uint8_t type, const Slice& value);
  // Those of many, written to `nodes`. On one thread at a time.
  void FindAll(const std::vector<TypedText>& identifiers, uint32_t* nodes);

  // How many nodes were given.
  uint32_t count() const { return nodes_.count(); }
  // Absent for a node that was not given, or was erased.
  Slice ValueOf(uint32_t node) const;
  // kErasedType for a node that was not given, or was erased.
  uint8_t TypeOf(uint32_t node) const;

  // As those of NodeStore. No row that was resolved to an erased node is still to be folded, and nodes of batches that
  // are not durable yet may stand behind the published ones.
  void Erase(uint32_t node);
  void Publish(uint32_t nodes);

  // For a checkpoint, as those of NodeStore. What is told of a part holds while the index is at rest.
  StatePart PartOf(uint32_t part);
  std::string BeginRestore(uint64_t block_bytes, uint64_t value_bytes);
  // On any thread. Until it returns nothing else may be asked.
  bool EndRestore();
  uint64_t MemoryOf(uint32_t part);

 private:
  bool IsGiven(uint32_t node) const { return node >= 1 && node <= nodes_.count(); }
  void FindTogether(const TypedText* identifiers, size_t count, uint32_t* nodes);

  std::mutex mutex_;
  NodeStore nodes_;
  NormalForms forms_;
  RowNodes rows_{&nodes_};
  IdentifierRoom room_;
  uint64_t readings_max_ = 1;
  std::string scratch_;
  std::string texts_[kLookupsTogether];  // of FindAll()
};

}  // namespace tributary
