// Read access to rows of a segment by its writer process, published or not.
#pragma once
#include <cstring>

#include "region.h"
#include "segment_format.h"
#include "tracking_event.h"

namespace tributary {

class SegmentRows {
 public:
  // False when the region holds no segment.
  bool Attach(Region* region) {
    if (region == nullptr || region->base() == nullptr) return false;
    base_ = region->base();
    header_ = reinterpret_cast<SegmentHeader*>(base_);
    return memcmp(header_->magic, kSegmentMagic, sizeof(kSegmentMagic)) == 0;
  }
  uint64_t segment_id() const { return header_->segment_id; }
  uint32_t staged_rows() const { return header_->staged_rows; }
  uint32_t column_count() const { return header_->column_count; }

  bool hidden(uint32_t row) const { return Bit(header_->mask_offset, row); }
  // Atomic: the main thread may hide other rows at the same time.
  void Hide(uint32_t row) {
    __atomic_fetch_or(base_ + header_->mask_offset + (row >> 3), 1u << (row & 7), __ATOMIC_RELAXED);
    __atomic_fetch_add(&header_->hidden_count, 1u, __ATOMIC_RELAXED);
  }

  const ColumnDescriptor& column(uint32_t index) const {
    return reinterpret_cast<const ColumnDescriptor*>(base_ + kPageBytes)[index];
  }
  bool valid(const ColumnDescriptor& column, uint32_t row) const {
    return Bit(column.validity_offset, row);
  }
  // Of a text column: the bytes of row r are [offsets[r], offsets[r + 1]) of its heap.
  const uint32_t* offsets(const ColumnDescriptor& column) const {
    return reinterpret_cast<const uint32_t*>(base_ + column.values_offset);
  }
  // The text of a row, absent when null.
  Slice text(const ColumnDescriptor& column, uint32_t row) const {
    if (!valid(column, row)) return {};
    auto* offsets = reinterpret_cast<const uint32_t*>(base_ + column.values_offset);
    return {reinterpret_cast<const char*>(base_ + column.heap_offset + offsets[row]),
            offsets[row + 1] - offsets[row]};
  }
  // The dictionary code of a row's value; meaningless when null.
  uint32_t code(const ColumnDescriptor& column, uint32_t row) const {
    return reinterpret_cast<const uint32_t*>(base_ + column.values_offset)[row];
  }
  Slice dictionary_text(const ColumnDescriptor& column, uint32_t code) const {
    auto* offsets = reinterpret_cast<const uint32_t*>(base_ + column.dictionary_offset);
    return {reinterpret_cast<const char*>(base_ + column.heap_offset + offsets[code]),
            offsets[code + 1] - offsets[code]};
  }

 private:
  // Atomic: another thread may set the bit of another row in the same byte.
  bool Bit(uint64_t bitmap_offset, uint32_t row) const {
    uint8_t byte = __atomic_load_n(base_ + bitmap_offset + (row >> 3), __ATOMIC_RELAXED);
    return byte >> (row & 7) & 1;
  }

  uint8_t* base_ = nullptr;
  SegmentHeader* header_ = nullptr;
};

}  // namespace tributary
