// Gives the identifiers in rows of `events` their nodes, in the order of the rows.
//
// For `count` rows it writes 4 × count words, [user node, anonymous node, previous node, list] of each, 0 where there
// is none, and behind them the lists. `list` is where the row's own begins, counted from the first of these words:
//
//   [count | flags, then type and node of each]
//
// It has the identifiers found by the rules' paths and the account of a group call. The flag 2^16 says that the event
// is one that logs a person out.
//
// - A hidden row gives zeros.
// - A user_id or anonymous_id that a path found takes the place that the call itself left empty.
// - The previous id of an alias is a user_id when one of that value is known, else an anonymous_id.
// - New nodes are numbered row by row, in the order user, anonymous, list, previous.
//
// Not synchronised: whoever has one has a mutex.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "dictionary_answers.h"
#include "identifier_extractor.h"
#include "node_store.h"
#include "normal_form.h"
#include "segment_rows.h"

namespace tributary {

// What identity's rules say of identifiers in events.
struct IdentifierRules {
  NormalForms forms;
  std::vector<IdentifierExtractor::Path> paths;
  std::vector<std::string> logout_events;
  uint32_t value_bytes_max = 0;  // longer values that a path finds are none
};

class RowNodes {
 public:
  // The store outlives it.
  explicit RowNodes(NodeStore* nodes) : nodes_(nodes) {}

  void Configure(const IdentifierRules& rules);

  // Whether these are rows of a segment that has the columns it reads.
  static bool Holds(const SegmentRows& rows, uint32_t first, uint32_t count);
  // Appends the words of rows [first, first + count); positions of lists count from the first of these words. Returns
  // the number of identifiers in the rows. The store has room for all of them.
  uint32_t Resolve(const SegmentRows& rows, uint32_t first, uint32_t count,
                   std::vector<uint32_t>* words);

 private:
  static constexpr uint32_t kBlockRows = kLookupsTogether;
  static constexpr uint32_t kLookupsPerRow = 2;  // its user and anonymous id
  static constexpr uint32_t kBlockLookups = kLookupsPerRow * kBlockRows;

  // Fetches what the look-ups of a block of rows are going to read.
  void FetchAhead(const SegmentRows& rows, uint32_t first, uint32_t count);
  // The node of a look-up of the block; 0 for an absent value.
  uint32_t FindOrAddFetched(uint32_t lookup, uint8_t type) {
    if (!values_[lookup].present()) return 0;
    return nodes_->FindOrAdd(hashes_[lookup], type, values_[lookup], likely_[lookup]);
  }
  // Writes a row's list; false when it would be empty. Fills in places of `nodes` that the call left empty.
  bool ResolveFurther(const SegmentRows& rows, uint32_t row, uint32_t* nodes, uint32_t* list);
  uint32_t ResolveFormer(const Slice& text);
  uint32_t FindOrAdd(uint8_t type, const Slice& value) {
    return nodes_->FindOrAdd(nodes_->HashOf(type, value), type, value);
  }
  bool IsGroup(const SegmentRows& rows, uint32_t row);
  bool IsLogout(const SegmentRows& rows, uint32_t row);

  NodeStore* const nodes_;
  NormalForms forms_;
  IdentifierExtractor extractor_;
  std::vector<std::string> logout_events_;
  DictionaryAnswers is_group_, is_logout_;

  // Of the rows at hand: look-up 2 i is the user of row i, look-up 2 i + 1 its anonymous id.
  Slice values_[kBlockLookups];
  uint64_t hashes_[kBlockLookups];
  uint32_t likely_[kBlockLookups];
  std::string texts_[kBlockLookups];
  std::string scratch_;
};

}  // namespace tributary
