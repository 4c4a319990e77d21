// Appends rows to the columns of one segment from C++. The TypeScript side (storage/hot-table.ts)
// plans and creates the segment; this class only fills what the header describes.
//
// Invariants
// - Row staged_rows is the one being written; EndRow() moves on. Rows become visible to readers only
//   when the registry publishes them, so a batch that fails is taken back with Restore().
// - No byte is touched before Region::Back() promised it: a full tmpfs is an error, not a SIGBUS.
// - A null costs nothing but a counter: validity bits start as zero, and offsets are always written.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "region.h"
#include "segment_format.h"

namespace tributary {

class SegmentWriter {
 public:
  // Takes the region of a segment file. Returns "" or why it is not a segment.
  std::string Attach(Region* region);
  bool attached() const { return header_ != nullptr; }
  uint32_t ColumnCount() const { return static_cast<uint32_t>(columns_.size()); }
  // The index of a column, or -1.
  int FindColumn(const char* name) const;

  // Whether `rows` rows fit, each column's strings of all of them adding up to `heap_bytes` at most.
  bool HasRoom(uint32_t rows, uint64_t heap_bytes) const;
  // Backs the fixed-size buffers for the next `rows` rows, and `heap_bytes` of every heap.
  std::string BackFor(uint32_t rows, uint64_t heap_bytes);

  // What Restore() needs to take back the rows staged since.
  void Save();
  void Restore();

  uint32_t row() const { return header_->staged_rows; }
  void SetInt64(uint32_t column, int64_t value);
  void SetUint64(uint32_t column, uint64_t value);
  void SetUint32(uint32_t column, uint32_t value);
  void SetText(uint32_t column, const char* data, uint32_t length);
  // False when the dictionary is full: the segment must be sealed.
  bool SetDictionary(uint32_t column, const char* data, uint32_t length);
  // The code of the last SetDictionary() of a column: of that text as long as the segment is attached.
  uint32_t LastCode(uint32_t column) const { return columns_[column].last_code; }
  void SetCode(uint32_t column, uint32_t code) { SetUint32(column, code); }
  void SetNull(uint32_t column);
  // Hides the current row from readers. Atomic: the main thread may hide older rows at the same time.
  void Hide();
  void EndRow() {
    __atomic_store_n(&header_->staged_rows, header_->staged_rows + 1, __ATOMIC_RELEASE);
  }

 private:
  struct Column {
    ColumnDescriptor* descriptor;
    uint8_t* validity;
    uint8_t* values;
    char* heap;
    uint32_t* dictionary;
    uint64_t heap_backed;
    // dictionary text -> code + 1; open addressing, sized for twice the capacity
    std::vector<uint32_t> codes;
    uint32_t last_code;  // runs of one value are common
  };
  struct Saved {
    uint64_t heap_used;
    uint32_t null_count;
  };

  // Other threads and processes read the bits of older rows in the same byte.
  void SetValid(Column& column, uint32_t row) {
    uint8_t* byte = column.validity + (row >> 3);
    __atomic_store_n(byte, static_cast<uint8_t>(*byte | 1u << (row & 7)), __ATOMIC_RELAXED);
  }
  uint32_t* SlotOf(Column& column, const char* data, uint32_t length);
  bool Equals(const Column& column, uint32_t code, const char* data, uint32_t length) const;

  Region* region_ = nullptr;
  SegmentHeader* header_ = nullptr;
  uint8_t* mask_ = nullptr;
  uint32_t rows_backed_ = 0;
  uint64_t seed_ = 0;
  std::vector<Column> columns_;
  std::vector<Saved> saved_;
  uint32_t saved_rows_ = 0, hidden_since_save_ = 0;
};

// Called for every column of every row: a call each would cost as much as what they do.

inline void SegmentWriter::SetInt64(uint32_t index, int64_t value) {
  Column& column = columns_[index];
  uint32_t row = header_->staged_rows;
  reinterpret_cast<int64_t*>(column.values)[row] = value;
  if (value < column.descriptor->min) column.descriptor->min = value;
  if (value > column.descriptor->max) column.descriptor->max = value;
  SetValid(column, row);
}

inline void SegmentWriter::SetUint64(uint32_t index, uint64_t value) {
  Column& column = columns_[index];
  reinterpret_cast<uint64_t*>(column.values)[header_->staged_rows] = value;
  SetValid(column, header_->staged_rows);
}

inline void SegmentWriter::SetUint32(uint32_t index, uint32_t value) {
  Column& column = columns_[index];
  reinterpret_cast<uint32_t*>(column.values)[header_->staged_rows] = value;
  SetValid(column, header_->staged_rows);
}

inline void SegmentWriter::SetText(uint32_t index, const char* data, uint32_t length) {
  Column& column = columns_[index];
  ColumnDescriptor* d = column.descriptor;
  uint32_t row = header_->staged_rows;
  uint32_t start = static_cast<uint32_t>(d->heap_used);
  memcpy(column.heap + start, data, length);
  // The start was written as the end of the row before; that of row 0 is zero.
  reinterpret_cast<uint32_t*>(column.values)[row + 1] = start + length;
  d->heap_used = start + length;
  SetValid(column, row);
}

inline void SegmentWriter::SetNull(uint32_t index) {
  Column& column = columns_[index];
  ColumnDescriptor* d = column.descriptor;
  d->null_count++;
  // While the heap is empty the offsets are zero already, as the file was made.
  if (d->heap_used > 0 && d->type != ColumnType::kDictionary) {
    reinterpret_cast<uint32_t*>(column.values)[header_->staged_rows + 1] =
        static_cast<uint32_t>(d->heap_used);
  }
}

inline bool SegmentWriter::Equals(const Column& column, uint32_t code, const char* data,
                           uint32_t length) const {
  uint32_t start = column.dictionary[code];
  return column.dictionary[code + 1] - start == length &&
         memcmp(column.heap + start, data, length) == 0;
}

}  // namespace tributary
