// The rows of Arrow columns as events in JSON: what a bulk import of a file costs is mostly this.
//
// - The buffers come from files that anybody may have made. Attach() holds every length and offset
//   against them once; behind it no row is looked at twice.
// - Only the types that most files consist of; engine/arrow-json.ts writes all of them, slower, and both
//   give the same values (tests/engine/native-rows.test.ts).
// - Texts that should be JSON objects are parsed, so that a row whose text is none can be rejected alone.
//
// The buffers belong to the caller and outlive this. One thread at a time.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "json_builder.h"
#include "json_outline.h"
#include "payload_walker.h"
#include "simdjson.h"
#include "unicode_escapes.h"

namespace tributary {

enum class ColumnKind : uint8_t { kNull, kText, kInteger, kFloat, kBoolean, kTimestamp, kStruct };

// What a column is in its event: a field, an object of that name, or one of the properties.
enum class ColumnRole : uint8_t { kField, kObject, kProperties, kProperty };

struct Buffer {
  const uint8_t* data = nullptr;
  size_t length = 0;
};

struct RowColumn {
  ColumnKind kind;
  ColumnRole role = ColumnRole::kField;
  std::string key;             // quoted, with its colon
  uint8_t value_bytes = 0;     // of a number, or of an offset
  bool is_signed = true;
  uint32_t ticks_per_second = 0;
  uint64_t first_bit = 0;      // of the rows in validity, and in the values of booleans
  Buffer validity;             // empty: no row is null
  Buffer values, offsets;
  // Of a dictionary: positions in the values, of index_bytes each.
  Buffer indices;
  uint8_t index_bytes = 0;
  uint32_t entries = 0;
  std::vector<RowColumn> children;
};

class ColumnRows {
 public:
  // A row whose text is longer than `row_bytes_max` is cut off behind that, so that no more of it is made: columns may
  // share what they hold.
  explicit ColumnRows(size_t row_bytes_max) : row_bytes_max_(row_bytes_max) {
    if (parser_.allocate(64 * 1024, kObjectDepthMax)) abort();  // out of memory
  }

  // Returns "" or why the columns cannot have `rows` rows.
  std::string Attach(std::vector<RowColumn> columns, uint32_t rows);

  // Writes rows from `first` on as the elements of a batch, each with the message id `id_prefix` and its
  // number, the first of which is `number`, until one more would not fit. Returns how many; at least one
  // of those that are left.
  uint32_t Write(uint32_t first, const std::string& id_prefix, uint64_t number, size_t bytes_max,
                 uint32_t rows_max);
  const JsonBuilder& text() const { return out_; }

 private:
  bool IsNull(const RowColumn& column, uint32_t row) const;
  // Whether the row at hand is too long.
  bool IsCut() const { return out_.length() > row_end_max_; }
  void Row(uint32_t row);
  void Value(const RowColumn& column, uint32_t row);
  void Text(const Slice& text, const Buffer& within);
  void Integer(const RowColumn& column, uint32_t row);
  void Timestamp(const RowColumn& column, uint32_t row);
  // Writes the members of the children that are not null.
  void Members(const RowColumn& column, uint32_t row, bool is_first);
  void Object(const RowColumn& column, uint32_t row);
  void Properties(uint32_t row);
  void Key(const std::string& key, bool is_first);
  Slice TextAt(const RowColumn& column, uint32_t row) const;
  // What stands between the braces of a text that is a JSON object.
  enum class ObjectText { kNull, kObject, kOther };
  ObjectText ReadObject(const Slice& text, const Buffer& within, Slice* members);
  bool IsPlainObject(const char* json, uint32_t length);
  // The verdict of simdjson's own parser.
  ObjectText Judge(const char* json, uint32_t length);

  const size_t row_bytes_max_;
  size_t row_end_max_ = 0;  // of the row at hand, in the text
  std::vector<RowColumn> columns_;
  const RowColumn* properties_ = nullptr;
  bool has_properties_ = false;
  uint32_t rows_ = 0;
  JsonBuilder out_;
  // Objects nested deeper than a batch may be are no objects: their row is rejected, not the batch.
  static constexpr size_t kObjectDepthMax = 60;
  simdjson::dom::parser parser_;
  JsonOutline outline_;
  SurrogateRepair repair_;
  std::string padded_;
};

}  // namespace tributary
