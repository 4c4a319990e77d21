// Answers a question about the entries of a dictionary column once for each entry of a segment, not once a row.
#pragma once
#include <cstdint>
#include <vector>

#include "segment_rows.h"

namespace tributary {

class DictionaryAnswers {
 public:
  // The question is another one now.
  void Reset() { answers_.clear(); }
  // Rows of another segment have other codes.
  void EnterSegment(uint64_t segment) {
    if (segment != segment_) Reset();
    segment_ = segment;
  }
  // ask(text), or what it answered before; false for a row without a value.
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

}  // namespace tributary
