// Finds the identifiers in the JSON columns of a row of `events`, as a tenant's rules say where to look.
//
// Most rows have none, and the text of a column is hundreds of bytes: a filter first asks whether any
// key that matters occurs in the text at all, sixteen bytes at a time, and only then is it read.
//
// - What a row yields depends on its columns and the rules alone: replay gives the same.
// - Of a repeated key the last value counts, as for JSON.parse.
// - A value is a string or a number; anything else, and what is empty once it is normalised, is none.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "normal_form.h"
#include "segment_rows.h"

namespace tributary {

class IdentifierExtractor {
 public:
  enum Column : uint8_t { kProperties, kTraits, kContext, kColumnCount };

  // Where one type is looked for. Paths of a type are tried in order; the first that has a value counts.
  struct Path {
    uint8_t type;
    uint8_t steps;
    Column column;
    std::vector<std::string> keys;
    bool is_external_list;      // the keys lead to [{"type":…,"id":…},…]
    std::string external_type;  // which entries count; "" takes all, as "type:id"
  };

  // Takes paths, grouped by type in the order in which types are to be reported.
  void Configure(const std::vector<Path>& paths, uint32_t value_bytes_max);

  // Calls emit(type, value) for each identifier in the columns of a row; the value lives until emit
  // returns. The traits of a group call are the account's, and yield nothing.
  template <typename Emit>
  void EachOf(const SegmentRows& rows, uint32_t row, bool is_group, Emit emit) {
    found_.clear();
    for (uint8_t column = 0; column < kColumnCount; column++) {
      if (trees_[column].size() < 2 || (is_group && column == kTraits)) continue;
      Slice text = rows.text(rows.column(kColumnOrdinals[column]), row);
      if (text.present() && MayMention(column, text)) Search(column, text);
    }
    if (found_.empty()) return;
    for (size_t path = 0; path < paths_.size();) {
      uint8_t type = paths_[path].type;
      bool is_found = false;
      for (; path < paths_.size() && paths_[path].type == type; path++) {
        if (is_found) continue;
        for (const Found& found : found_) {
          if (found.path != path || !Read(found)) continue;
          is_found = true;
          emit(type, Slice{value_.data(), static_cast<uint32_t>(value_.size())});
        }
      }
    }
  }

 private:
  // A key on the way to values; node 0 of a tree is the column's object itself.
  struct Node {
    std::string key;
    std::vector<uint32_t> children;
    std::vector<uint32_t> paths;  // that end here
  };
  struct Found {
    uint32_t path;
    Slice text;
    bool is_string;
    Slice external_type;  // as text between quotes
  };

  static const uint32_t kColumnOrdinals[kColumnCount];
  static constexpr size_t kFirstBytesMax = 64;  // keys begin with a letter, digit, _, $ or -

  bool MayMention(uint8_t column, const Slice& text) const;
  bool HasKeyAt(const std::vector<Node>& tree, const char* at, const char* end) const;
  void Search(uint8_t column, const Slice& text);
  void Walk(uint8_t column, uint32_t node, class JsonText* json);
  void ReadExternalList(const Node& node, class JsonText* json);
  void Forget(uint8_t column, uint32_t node);
  bool Read(const Found& found);

  std::vector<Path> paths_;
  std::vector<Node> trees_[kColumnCount];
  std::string first_bytes_[kColumnCount];  // of the keys below the column's object, each once
  uint32_t value_bytes_max_ = 0;
  // Of the row at hand.
  std::vector<Found> found_;
  std::string value_, key_;
};

}  // namespace tributary
