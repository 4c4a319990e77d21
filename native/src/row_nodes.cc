#include "row_nodes.h"

#include <algorithm>
#include <cstring>

#include "identifier_room.h"

namespace tributary {

namespace {

// Columns of `events` that are read here; event_decoder.cc checks that they are in their places.
enum : uint32_t {
  kTypeColumn = 2, kEventColumn = 3, kUserIdColumn = 5, kAnonymousIdColumn = 6, kGroupIdColumn = 7,
  kPreviousIdColumn = 8, kContextColumn = 17,
};

constexpr uint32_t kWordsPerRow = 4;
constexpr uint32_t kLogoutFlag = 1u << 16;  // shared with identity/event-resolver.ts

bool Is(const Slice& slice, const std::string& text) {
  return slice.length == text.size() && memcmp(slice.data, text.data(), text.size()) == 0;
}

}  // namespace

void RowNodes::Configure(const IdentifierRules& rules) {
  forms_ = rules.forms;
  extractor_.Configure(rules.paths, rules.value_bytes_max);
  logout_events_ = rules.logout_events;
  is_logout_.Reset();
}

bool RowNodes::Holds(const SegmentRows& rows, uint32_t first, uint32_t count) {
  return rows.column_count() > kContextColumn && first <= rows.staged_rows() &&
         count <= rows.staged_rows() - first;
}

uint32_t RowNodes::Resolve(const SegmentRows& rows, uint32_t first, uint32_t count,
                           std::vector<uint32_t>* words) {
  is_group_.EnterSegment(rows.segment_id());
  is_logout_.EnterSegment(rows.segment_id());
  const ColumnDescriptor& previous = rows.column(kPreviousIdColumn);
  const size_t start = words->size();
  uint32_t identifiers = 0;
  words->resize(start + size_t{count} * kWordsPerRow);
  for (uint32_t done = 0; done < count; done += kBlockRows) {
    uint32_t block = std::min(count - done, kBlockRows);
    FetchAhead(rows, first + done, block);
    for (uint32_t i = 0; i < block; i++) {
      uint32_t user = FindOrAddFetched(2 * i, kUserIdType);
      uint32_t visitor = FindOrAddFetched(2 * i + 1, kAnonymousIdType);
      uint32_t nodes[kWordsPerRow] = {user, visitor, 0, 0};
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
      std::copy(nodes, nodes + kWordsPerRow,
                words->begin() + start + (size_t{done} + i) * kWordsPerRow);
    }
  }
  return identifiers;
}

inline void RowNodes::FetchAhead(const SegmentRows& rows, uint32_t first, uint32_t count) {
  const ColumnDescriptor& users = rows.column(kUserIdColumn);
  const ColumnDescriptor& visitors = rows.column(kAnonymousIdColumn);
  auto take = [&](uint32_t lookup, NodeType type, const Slice& text) {
    values_[lookup] = forms_.Of(type, text, &texts_[lookup]);
    if (!values_[lookup].present()) return;
    nodes_->Prefetch(hashes_[lookup] = nodes_->HashOf(type, values_[lookup]));
  };
  for (uint32_t i = 0; i < count; i++) {
    uint32_t row = first + i;
    bool is_hidden = rows.hidden(row);
    take(2 * i, kUserIdType, is_hidden ? Slice{} : rows.text(users, row));
    take(2 * i + 1, kAnonymousIdType, is_hidden ? Slice{} : rows.text(visitors, row));
  }
  nodes_->FetchAhead(values_, hashes_, size_t{count} * kLookupsPerRow, likely_);
}

inline bool RowNodes::ResolveFurther(const SegmentRows& rows, uint32_t row, uint32_t* nodes,
                                     uint32_t* list) {
  uint32_t count = 0;
  auto add = [&](uint8_t type, const Slice& value) {
    if (type <= kAnonymousIdType && nodes[type - 1] != 0) return;
    if (count == kFurtherNodesMax) return;
    uint32_t node = FindOrAdd(type, value);
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
  bool is_group = IsGroup(rows, row);
  extractor_.EachOf(rows, row, is_group, add);
  if (is_group) {
    Slice account = forms_.Of(kAccountType, rows.text(rows.column(kGroupIdColumn), row), &scratch_);
    if (account.present()) add(kAccountType, account);
  }
  list[0] = count | (IsLogout(rows, row) ? kLogoutFlag : 0);
  return list[0] != 0;
}

uint32_t RowNodes::ResolveFormer(const Slice& text) {
  Slice value = forms_.Of(kUserIdType, text, &scratch_);
  if (value.present()) {
    uint32_t user = nodes_->Find(nodes_->HashOf(kUserIdType, value), kUserIdType, value);
    if (user != 0) return user;
  }
  value = forms_.Of(kAnonymousIdType, text, &scratch_);
  return value.present() ? FindOrAdd(kAnonymousIdType, value) : 0;
}

inline bool RowNodes::IsGroup(const SegmentRows& rows, uint32_t row) {
  return is_group_.Of(rows, rows.column(kTypeColumn), row,
                      [](const Slice& type) { return Is(type, "group"); });
}

inline bool RowNodes::IsLogout(const SegmentRows& rows, uint32_t row) {
  if (logout_events_.empty()) return false;
  return is_logout_.Of(rows, rows.column(kEventColumn), row, [&](const Slice& event) {
    return std::any_of(logout_events_.begin(), logout_events_.end(),
                       [&](const std::string& name) { return Is(event, name); });
  });
}

}  // namespace tributary
