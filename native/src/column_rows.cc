#include "column_rows.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "byte_order_mark.h"

namespace tributary {

namespace {

constexpr size_t kNumberBytesMax = 32;
constexpr uint32_t kDepthMax = 32;
// Years 0000 to 9999, in milliseconds.
constexpr int64_t kIsoMin = -62167219200000, kIsoMax = 253402300799999;

uint64_t UnsignedAt(const Buffer& buffer, uint8_t bytes, size_t index) {
  uint64_t value = 0;
  memcpy(&value, buffer.data + index * bytes, bytes);
  return value;
}

int64_t SignedAt(const Buffer& buffer, uint8_t bytes, size_t index) {
  int shift = 64 - 8 * bytes;
  return static_cast<int64_t>(UnsignedAt(buffer, bytes, index) << shift) >> shift;
}

bool BitAt(const Buffer& bits, uint64_t index) {
  return (bits.data[index >> 3] >> (index & 7) & 1) != 0;
}

template <typename Offset>
bool AreWithin(const Buffer& offsets, uint32_t count, size_t limit) {
  Offset before = 0;
  bool is_within = true;
  for (uint32_t i = 0; i <= count; i++) {
    Offset offset;
    memcpy(&offset, offsets.data + size_t{i} * sizeof(offset), sizeof(offset));
    is_within &= offset >= before;
    before = offset;
  }
  return is_within && static_cast<uint64_t>(before) <= limit;
}

// "" or what of the column is not within its buffers. Its texts, or those of its dictionary, are looked
// at whether or not a row refers to them.
std::string Check(const RowColumn& column, uint32_t rows, uint32_t depth) {
  if (depth > kDepthMax) return "columns are nested too deep";
  uint64_t bits = column.first_bit + rows;
  if (column.validity.data != nullptr && column.validity.length < (bits + 7) / 8) {
    return "a column is shorter than its rows";
  }
  size_t values_bytes = 0;
  uint32_t texts = rows;
  switch (column.kind) {
    case ColumnKind::kNull:
      break;
    case ColumnKind::kStruct:
      for (const RowColumn& child : column.children) {
        std::string failure = Check(child, rows, depth + 1);
        if (!failure.empty()) return failure;
      }
      break;
    case ColumnKind::kBoolean:
      values_bytes = (bits + 7) / 8;
      break;
    case ColumnKind::kText:
      if (column.indices.data != nullptr) {
        texts = column.entries;
        if (column.index_bytes == 0 || column.index_bytes > sizeof(uint64_t)) {
          return "numbers of a width that is not understood";
        }
        if (column.indices.length < size_t{rows} * column.index_bytes) {
          return "a column is shorter than its rows";
        }
        for (uint32_t row = 0; row < rows; row++) {
          bool is_null = column.validity.data != nullptr &&
                         !BitAt(column.validity, column.first_bit + row);
          if (!is_null && UnsignedAt(column.indices, column.index_bytes, row) >= column.entries) {
            return "a dictionary has no value of that index";
          }
        }
      }
      if (texts == 0 && column.offsets.length == 0) break;
      if (column.value_bytes != 4 && column.value_bytes != 8) return "offsets of a width that is not understood";
      if (column.offsets.length < (size_t{texts} + 1) * column.value_bytes) {
        return "a column is shorter than its rows";
      }
      if (column.value_bytes == 4
              ? !AreWithin<int32_t>(column.offsets, texts, column.values.length)
              : !AreWithin<int64_t>(column.offsets, texts, column.values.length)) {
        return "an offset lies outside of its column";
      }
      break;
    default:
      if (column.value_bytes == 0 || column.value_bytes > sizeof(uint64_t)) {
        return "numbers of a width that is not understood";
      }
      values_bytes = size_t{rows} * column.value_bytes;
  }
  return column.values.length < values_bytes ? "a column is shorter than its rows" : "";
}

bool IsSpace(char byte) { return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'; }

}  // namespace

std::string ColumnRows::Attach(std::vector<RowColumn> columns, uint32_t rows) {
  columns_ = std::move(columns);
  rows_ = rows;
  properties_ = nullptr;
  has_properties_ = false;
  for (const RowColumn& column : columns_) {
    std::string failure = Check(column, rows, 0);
    if (!failure.empty()) {
      rows_ = 0;
      return failure;
    }
    if (column.role == ColumnRole::kProperties) properties_ = &column;
    if (column.role == ColumnRole::kProperty) has_properties_ = true;
  }
  return "";
}

uint32_t ColumnRows::Write(uint32_t first, const std::string& id_prefix, uint64_t number,
                           size_t bytes_max, uint32_t rows_max) {
  out_.Truncate(0);
  uint32_t written = 0;
  for (uint32_t row = first; row < rows_ && written < rows_max; row++, written++) {
    size_t start = out_.length();
    row_end_max_ = start + row_bytes_max_;
    if (written > 0) out_.Put(',');
    out_.Append("{\"messageId\":\"", 14);
    out_.Append(id_prefix.data(), id_prefix.size());
    char* to = out_.Reserve(kNumberBytesMax);
    out_.Finish(std::to_chars(to, to + kNumberBytesMax, number + written).ptr);
    out_.Put('"');
    Row(row);
    out_.Put('}');
    if (out_.length() > bytes_max && written > 0) {
      out_.Truncate(start);
      break;
    }
  }
  return written;
}

// Behind the message id: each member has its comma.
void ColumnRows::Row(uint32_t row) {
  for (const RowColumn& column : columns_) {
    if (IsCut()) return;
    switch (column.role) {
      case ColumnRole::kField:
        if (IsNull(column, row)) break;
        Key(column.key, false);
        Value(column, row);
        break;
      case ColumnRole::kObject:
        Object(column, row);
        break;
      default:
        break;
    }
  }
  if (properties_ != nullptr || has_properties_) Properties(row);
}

void ColumnRows::Object(const RowColumn& column, uint32_t row) {
  if (IsNull(column, row)) return;
  if (column.kind == ColumnKind::kText) {
    Slice text = TextAt(column, row), members;
    ObjectText kind = ReadObject(text, column.values, &members);
    if (kind == ObjectText::kNull) return;
    Key(column.key, false);
    if (kind == ObjectText::kOther) return Text(text, column.values);
    // With its braces.
    return out_.Append(members.data - 1, members.length + 2);
  }
  Key(column.key, false);
  Value(column, row);
}

// The members of the column `properties` and those of every other column behind them. A text that is no
// object stands alone: the row is rejected for it.
void ColumnRows::Properties(uint32_t row) {
  static const std::string kKey = "\"properties\":";
  bool is_first = true;
  bool is_null = properties_ == nullptr || IsNull(*properties_, row);
  Slice members;
  if (!is_null && properties_->kind == ColumnKind::kText) {
    Slice text = TextAt(*properties_, row);
    ObjectText kind = ReadObject(text, properties_->values, &members);
    is_null = kind == ObjectText::kNull;
    if (kind == ObjectText::kOther) {
      Key(kKey, false);
      return Text(text, properties_->values);
    }
  } else if (!is_null && properties_->kind != ColumnKind::kStruct) {
    Key(kKey, false);
    return Value(*properties_, row);
  }
  if (is_null && !has_properties_) return;
  Key(kKey, false);
  out_.Put('{');
  size_t start = out_.length();
  if (!is_null && properties_->kind == ColumnKind::kText) {
    while (members.length > 0 && IsSpace(*members.data)) members = {members.data + 1, members.length - 1};
    out_.Append(members.data, members.length);
  } else if (!is_null) {
    Members(*properties_, row, true);
  }
  is_first = out_.length() == start;
  for (const RowColumn& column : columns_) {
    if (IsCut()) break;
    if (column.role != ColumnRole::kProperty || IsNull(column, row)) continue;
    Key(column.key, is_first);
    Value(column, row);
    is_first = false;
  }
  out_.Put('}');
}

void ColumnRows::Members(const RowColumn& column, uint32_t row, bool is_first) {
  for (const RowColumn& child : column.children) {
    if (IsCut()) return;
    if (IsNull(child, row)) continue;
    Key(child.key, is_first);
    Value(child, row);
    is_first = false;
  }
}

bool ColumnRows::IsNull(const RowColumn& column, uint32_t row) const {
  if (column.kind == ColumnKind::kNull) return true;
  return column.validity.data != nullptr && !BitAt(column.validity, column.first_bit + row);
}

void ColumnRows::Key(const std::string& key, bool is_first) {
  if (!is_first) out_.Put(',');
  out_.Append(key.data(), key.size());
}

void ColumnRows::Value(const RowColumn& column, uint32_t row) {
  switch (column.kind) {
    case ColumnKind::kText:
      return Text(TextAt(column, row), column.values);
    case ColumnKind::kInteger:
      return Integer(column, row);
    case ColumnKind::kFloat:
      if (column.value_bytes == 4) {
        float value;
        memcpy(&value, column.values.data + size_t{row} * 4, 4);
        return out_.Double(value);
      }
      double value;
      memcpy(&value, column.values.data + size_t{row} * 8, 8);
      return out_.Double(value);
    case ColumnKind::kBoolean:
      return BitAt(column.values, column.first_bit + row) ? out_.Append("true", 4)
                                                          : out_.Append("false", 5);
    case ColumnKind::kTimestamp:
      return Timestamp(column, row);
    case ColumnKind::kStruct:
      out_.Put('{');
      Members(column, row, true);
      return out_.Put('}');
    case ColumnKind::kNull:
      return out_.Append("null", 4);
  }
}

Slice ColumnRows::TextAt(const RowColumn& column, uint32_t row) const {
  size_t at = row;
  if (column.indices.data != nullptr) at = UnsignedAt(column.indices, column.index_bytes, row);
  uint64_t start = UnsignedAt(column.offsets, column.value_bytes, at);
  uint64_t end = UnsignedAt(column.offsets, column.value_bytes, at + 1);
  // One byte too many: as JSON it is no shorter.
  uint64_t length = std::min<uint64_t>(end - start, row_bytes_max_ + 1);
  return {reinterpret_cast<const char*>(column.values.data) + start, length};
}

// The builder reads a vector beyond the end of a text: near the end of the column a copy is written.
void ColumnRows::Text(const Slice& text, const Buffer& within) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(text.data);
  size_t left = within.length - static_cast<size_t>(bytes - within.data);
  if (left >= text.length + kVectorBytes) return out_.String(text);
  padded_.assign(text.data, text.length);
  padded_.resize(text.length + kVectorBytes);
  out_.String({padded_.data(), text.length});
}

void ColumnRows::Integer(const RowColumn& column, uint32_t row) {
  char* to = out_.Reserve(kNumberBytesMax);
  char* end = to + kNumberBytesMax;
  out_.Finish(column.is_signed
                  ? std::to_chars(to, end, SignedAt(column.values, column.value_bytes, row)).ptr
                  : std::to_chars(to, end, UnsignedAt(column.values, column.value_bytes, row)).ptr);
}

// An ISO string in UTC with the digits of the column's unit behind the milliseconds, where there are any.
void ColumnRows::Timestamp(const RowColumn& column, uint32_t row) {
  int64_t value = SignedAt(column.values, 8, row);
  int64_t ticks = column.ticks_per_second / 1000;  // in a millisecond; 0 for seconds
  int64_t milliseconds, rest = 0;
  if (ticks == 0) {
    if (__builtin_mul_overflow(value, 1000, &milliseconds)) milliseconds = kIsoMax + 1;
  } else {
    milliseconds = value / ticks - (value % ticks < 0);
    rest = value - milliseconds * ticks;
  }
  if (milliseconds < kIsoMin || milliseconds > kIsoMax) {
    out_.Put('"');
    Integer(column, row);
    return out_.Put('"');
  }
  out_.Time(static_cast<double>(milliseconds));
  if (rest == 0) return;
  out_.Truncate(out_.length() - 2);  // Z and the quote
  for (int64_t digit = ticks / 10; digit > 0; digit /= 10) {
    out_.Put(static_cast<char>('0' + rest / digit % 10));
  }
  out_.Append("Z\"", 2);
}

ColumnRows::ObjectText ColumnRows::ReadObject(const Slice& text, const Buffer& within,
                                              Slice* members) {
  if (text.length > row_bytes_max_) return ObjectText::kOther;
  const char* json = text.data;
  size_t left = within.length - static_cast<size_t>(reinterpret_cast<const uint8_t*>(json) - within.data);
  if (left < text.length + simdjson::SIMDJSON_PADDING) {
    padded_.assign(text.data, text.length);
    padded_.resize(text.length + simdjson::SIMDJSON_PADDING);
    json = padded_.data();
  }
  ObjectText kind = IsPlainObject(json, text.length) ? ObjectText::kObject : Judge(json, text.length);
  if (kind != ObjectText::kObject) return kind;
  const char* open = static_cast<const char*>(memchr(text.data, '{', text.length));
  const char* close = static_cast<const char*>(memrchr(text.data, '}', text.length));
  *members = {open + 1, static_cast<uint32_t>(close - open - 1)};
  return ObjectText::kObject;
}

// The short way, as the decoder has it: tokens are checked, and no document is made. False when unsure.
bool ColumnRows::IsPlainObject(const char* json, uint32_t length) {
  if (parser_.capacity() < length && parser_.allocate(size_t{length} * 2, kObjectDepthMax)) abort();
  auto& found = *parser_.implementation;
  auto failed = found.stage1(reinterpret_cast<const uint8_t*>(json), length, simdjson::stage1_mode::regular);
  if (failed != simdjson::SUCCESS) return false;
  bool has_escapes = memchr(json, '\\', length) != nullptr;
  return (!has_escapes || HasValidEscapes(json, length)) &&
         outline_.Read(json, found.structural_indexes.get(), found.n_structural_indexes,
                       kObjectDepthMax, Scalars::kUnchecked);
}

ColumnRows::ObjectText ColumnRows::Judge(const char* json, uint32_t length) {
  if (HasByteOrderMark(json, length)) return ObjectText::kOther;
  auto parse = [&](const char* from) {
    return parser_.parse(reinterpret_cast<const uint8_t*>(from), length, false);
  };
  auto result = parse(json);
  if (result.error() == simdjson::STRING_ERROR && repair_.Repair(json, length)) {
    result = parse(repair_.text());
  }
  if (result.error() != simdjson::SUCCESS) return ObjectText::kOther;
  auto type = result.value_unsafe().type();
  if (type == simdjson::dom::element_type::NULL_VALUE) return ObjectText::kNull;
  return type == simdjson::dom::element_type::OBJECT ? ObjectText::kObject : ObjectText::kOther;
}

}  // namespace tributary
