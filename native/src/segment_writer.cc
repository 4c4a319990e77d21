#include "segment_writer.h"

#include <algorithm>
#include <cstring>

#include "hash.h"

namespace tributary {

namespace {

constexpr uint32_t kRowsBackedStep = 8192;
// Heaps grow in steps of a quarter of what they hold: a column that is hardly used takes little, and a
// large one is not backed page by page.
constexpr uint64_t kHeapStepMin = 64 * 1024;
constexpr uint64_t kHeapStepMax = 1024 * 1024;

uint64_t HeapStep(uint64_t used) {
  uint64_t step = used / 4 / kHeapStepMin * kHeapStepMin;
  return std::min(std::max(step, kHeapStepMin), kHeapStepMax);
}

uint64_t ValueBytes(ColumnType type) {
  switch (type) {
    case ColumnType::kUint32:
    case ColumnType::kUtf8:
    case ColumnType::kJson:
    case ColumnType::kDictionary:
      return 4;
    default:
      return 8;
  }
}

bool HasHeap(ColumnType type) {
  return type == ColumnType::kUtf8 || type == ColumnType::kJson || type == ColumnType::kDictionary;
}

}  // namespace

std::string SegmentWriter::Attach(Region* region) {
  header_ = nullptr;
  auto* header = reinterpret_cast<SegmentHeader*>(region->base());
  if (header == nullptr || memcmp(header->magic, kSegmentMagic, 8) != 0 ||
      header->format_version != kFormatVersion) {
    return "the region holds no segment of this format";
  }
  region_ = region;
  header_ = header;
  mask_ = region->base() + header->mask_offset;
  rows_backed_ = 0;
  seed_ = RandomSeed();
  auto* descriptors = reinterpret_cast<ColumnDescriptor*>(region->base() + kPageBytes);
  columns_.clear();
  for (uint32_t i = 0; i < header->column_count; i++) {
    ColumnDescriptor* descriptor = descriptors + i;
    Column column{};
    column.descriptor = descriptor;
    column.validity = region->base() + descriptor->validity_offset;
    column.values = region->base() + descriptor->values_offset;
    column.heap = reinterpret_cast<char*>(region->base() + descriptor->heap_offset);
    column.last_code = UINT32_MAX;
    if (descriptor->type == ColumnType::kDictionary) {
      column.dictionary = reinterpret_cast<uint32_t*>(region->base() + descriptor->dictionary_offset);
    }
    columns_.push_back(std::move(column));
  }
  saved_.resize(columns_.size());
  std::string failure = BackFor(1, 0);
  if (!failure.empty()) return failure;
  for (Column& column : columns_) {
    if (column.descriptor->type != ColumnType::kDictionary) continue;
    column.codes.assign(1024, 0);
    for (uint32_t code = 0; code < column.descriptor->dictionary_count; code++) {
      const char* text = column.heap + column.dictionary[code];
      *SlotOf(column, text, column.dictionary[code + 1] - column.dictionary[code]) = code + 1;
    }
  }
  return "";
}

int SegmentWriter::FindColumn(const char* name) const {
  for (size_t i = 0; i < columns_.size(); i++) {
    if (strncmp(columns_[i].descriptor->name, name, sizeof(columns_[i].descriptor->name)) == 0) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

bool SegmentWriter::HasRoom(uint32_t rows, uint64_t heap_bytes) const {
  if (header_->row_capacity - header_->staged_rows < rows) return false;
  for (const Column& column : columns_) {
    const ColumnDescriptor* d = column.descriptor;
    // A full dictionary is found row by row: few distinct values fit any number of rows.
    if (d->type == ColumnType::kUtf8 || d->type == ColumnType::kJson) {
      if (d->heap_capacity - d->heap_used < heap_bytes) return false;
    }
  }
  return true;
}

std::string SegmentWriter::BackFor(uint32_t rows, uint64_t heap_bytes) {
  uint32_t needed = std::min(header_->staged_rows + rows, header_->row_capacity);
  if (needed > rows_backed_) {
    uint32_t goal = std::min((needed + kRowsBackedStep - 1) / kRowsBackedStep * kRowsBackedStep,
                             header_->row_capacity);
    uint64_t from_bit = rows_backed_ / 8, bit_bytes = goal / 8 + 1 - from_bit;
    std::string failure = region_->Back(header_->mask_offset + from_bit, bit_bytes);
    for (Column& column : columns_) {
      if (!failure.empty()) return failure;
      const ColumnDescriptor* d = column.descriptor;
      uint64_t width = ValueBytes(d->type);
      failure = region_->Back(d->validity_offset + from_bit, bit_bytes);
      if (failure.empty()) {
        // One element more than rows: string columns hold an end offset behind the last row.
        uint64_t elements = goal - rows_backed_ + (HasHeap(d->type) && d->type != ColumnType::kDictionary);
        failure = region_->Back(d->values_offset + rows_backed_ * width, elements * width);
      }
      if (failure.empty() && d->type == ColumnType::kDictionary && rows_backed_ == 0) {
        failure = region_->Back(d->dictionary_offset, (d->dictionary_capacity + 1ull) * 4);
      }
    }
    if (!failure.empty()) return failure;
    for (const Column& column : columns_) {
      uint64_t width = ValueBytes(column.descriptor->type);
      uint64_t ahead = std::min(kRowsBackedStep, header_->row_capacity - goal);
      region_->BackAhead(column.descriptor->values_offset + goal * width, ahead * width);
    }
    rows_backed_ = goal;
  }
  for (Column& column : columns_) {
    const ColumnDescriptor* d = column.descriptor;
    if (!HasHeap(d->type)) continue;
    uint64_t goal = std::min(d->heap_used + heap_bytes, d->heap_capacity);
    if (goal <= column.heap_backed) continue;
    uint64_t step = HeapStep(d->heap_used);
    goal = std::min((goal + step - 1) / step * step, d->heap_capacity);
    std::string failure =
        region_->Back(d->heap_offset + column.heap_backed, goal - column.heap_backed, Contents::kAnything);
    if (!failure.empty()) return failure;
    column.heap_backed = goal;
    if (d->heap_used > 0) {
      region_->BackAhead(d->heap_offset + goal, std::min(step, d->heap_capacity - goal));
    }
  }
  return "";
}

void SegmentWriter::Save() {
  saved_rows_ = header_->staged_rows;
  hidden_since_save_ = 0;
  for (size_t i = 0; i < columns_.size(); i++) {
    saved_[i] = {columns_[i].descriptor->heap_used, columns_[i].descriptor->null_count};
  }
}

void SegmentWriter::Restore() {
  // The row being written may have set bits as well, hence <=.
  for (uint32_t row = saved_rows_; row <= header_->staged_rows && row < rows_backed_; row++) {
    uint8_t keep = static_cast<uint8_t>(~(1u << (row & 7)));
    __atomic_fetch_and(mask_ + (row >> 3), keep, __ATOMIC_RELAXED);
    for (size_t i = 0; i < columns_.size(); i++) {
      Column& column = columns_[i];
      column.validity[row >> 3] &= keep;
      ColumnType type = column.descriptor->type;
      if (type == ColumnType::kUtf8 || type == ColumnType::kJson) {
        reinterpret_cast<uint32_t*>(column.values)[row + 1] =
            static_cast<uint32_t>(saved_[i].heap_used);
      }
    }
  }
  header_->staged_rows = saved_rows_;
  __atomic_fetch_sub(&header_->hidden_count, hidden_since_save_, __ATOMIC_RELAXED);
  for (size_t i = 0; i < columns_.size(); i++) {
    // Dictionary entries stay: they are append-only, and an unused one does no harm.
    if (columns_[i].descriptor->type != ColumnType::kDictionary) {
      columns_[i].descriptor->heap_used = saved_[i].heap_used;
    }
    columns_[i].descriptor->null_count = saved_[i].null_count;
  }
}

void SegmentWriter::Hide() {
  uint32_t row = header_->staged_rows;
  __atomic_fetch_or(mask_ + (row >> 3), 1u << (row & 7), __ATOMIC_RELAXED);
  __atomic_fetch_add(&header_->hidden_count, 1u, __ATOMIC_RELAXED);
  hidden_since_save_++;
}

uint32_t* SegmentWriter::SlotOf(Column& column, const char* data, uint32_t length) {
  size_t mask = column.codes.size() - 1;
  size_t slot = HashBytes(data, length, seed_) & mask;
  while (column.codes[slot] != 0 && !Equals(column, column.codes[slot] - 1, data, length)) {
    slot = (slot + 1) & mask;
  }
  return &column.codes[slot];
}

bool SegmentWriter::SetDictionary(uint32_t index, const char* data, uint32_t length) {
  Column& column = columns_[index];
  ColumnDescriptor* d = column.descriptor;
  uint32_t row = header_->staged_rows;
  uint32_t code = column.last_code;
  if (code == UINT32_MAX || !Equals(column, code, data, length)) {
    uint32_t* slot = SlotOf(column, data, length);
    if (*slot == 0) {
      if (d->dictionary_count == d->dictionary_capacity ||
          d->heap_capacity - d->heap_used < length) {
        return false;
      }
      if ((d->dictionary_count + 1) * 2 > column.codes.size()) {
        column.codes.assign(column.codes.size() * 4, 0);
        for (uint32_t i = 0; i < d->dictionary_count; i++) {
          const char* text = column.heap + column.dictionary[i];
          *SlotOf(column, text, column.dictionary[i + 1] - column.dictionary[i]) = i + 1;
        }
        slot = SlotOf(column, data, length);
      }
      uint32_t start = static_cast<uint32_t>(d->heap_used);
      memcpy(column.heap + start, data, length);
      column.dictionary[d->dictionary_count] = start;
      column.dictionary[d->dictionary_count + 1] = start + length;
      d->heap_used = start + length;
      d->dictionary_count++;
      *slot = d->dictionary_count;
    }
    code = *slot - 1;
    column.last_code = code;
  }
  reinterpret_cast<uint32_t*>(column.values)[row] = code;
  SetValid(column, row);
  return true;
}

}  // namespace tributary
