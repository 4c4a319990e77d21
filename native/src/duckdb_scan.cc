// hot_scan('table'): DuckDB reads hot segments in place, on its own threads.
//
// Every scan pins the published rows when it starts, cuts them into units, and its threads take units
// until none is left. Per 2,048 rows: fixed-width values are copied; strings point into the mapping;
// dictionary columns become dictionary vectors over strings that point into the mapping.
//
// - A row is produced once: units are disjoint, and rows below the pinned count do not change.
// - Mappings live as long as the scan state, which DuckDB keeps until the query is over; what DuckDB
//   holds longer (hash tables, results) it has copied.
// - Chunks start at multiples of 2,048 rows of a segment, so bitmaps are copied by whole words.
// - Rows outside a bound that was set for the statement are dropped here, before their other columns
//   are touched; DuckDB filters again, so a bound need only be wide enough.
// - A column the segment does not have (an older schema) is NULL; one of another type is an error.
// - String offsets and codes are checked per row: a damaged segment is an error, never a crash.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "duckdb_api.h"
#include "hot_directory.h"

namespace tributary {
namespace {

// Ten chunks: small enough that a hot set of one segment keeps several threads busy.
constexpr uint32_t kUnitRows = 10 * kChunkRows;

struct BoundColumn {
  std::string name;
  ColumnType type;
};

// What the statement was planned with.
struct ScanPlan {
  std::string table;
  std::vector<BoundColumn> columns;
};

struct Unit {
  uint32_t segment;
  uint32_t begin;
  uint32_t end;
};

// A bound on a column of one segment. Bounds are signed; a uint64 above 2^63 is above any of them.
struct RowBound {
  int column;
  int64_t min;
  int64_t max;
};

// Shared by the threads of one scan; constant but for `next_unit`.
struct Scan {
  Snapshot snapshot;
  std::vector<idx_t> projected;           // positions in the plan, or beyond it for a row id
  std::vector<std::vector<int>> sources;  // [segment][output column]: column of the segment, or -1
  std::vector<std::vector<RowBound>> bounds;  // [segment]
  std::vector<Unit> units;
  std::atomic<size_t> next_unit{0};
};

// The strings of one dictionary column of one segment as a DuckDB vector, made once per thread.
struct Dictionary {
  DuckdbVector vector = nullptr;
  uint32_t count = 0;
  bool has_null = false;  // entry 0 is NULL and the strings follow
};

// One thread of a scan.
struct Worker {
  ~Worker() { DropDictionaries(); }
  void DropDictionaries() {
    for (Dictionary& dictionary : dictionaries) {
      if (dictionary.vector != nullptr) duckdb.destroy_vector(&dictionary.vector);
    }
    dictionaries.clear();
  }

  Unit unit{0, 0, 0};
  bool has_segment = false;
  uint32_t segment = 0;
  std::vector<Dictionary> dictionaries;  // by output column
  uint32_t rows[kChunkRows];             // visible rows of a chunk when some are hidden
};

// The rows of a segment that make up one chunk: [begin, begin + count), or `count` listed ones.
struct ChunkRows {
  uint32_t begin;
  uint32_t count;
  const uint32_t* listed;  // nullptr while no row is hidden
};

DuckdbType TypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kInt64: return DuckdbType::kBigint;
    case ColumnType::kUint64: return DuckdbType::kUbigint;
    case ColumnType::kUint32: return DuckdbType::kUinteger;
    case ColumnType::kFloat64: return DuckdbType::kDouble;
    case ColumnType::kTimestampMicros: return DuckdbType::kTimestampTz;
    case ColumnType::kUtf8:
    case ColumnType::kJson:
    case ColumnType::kDictionary: return DuckdbType::kVarchar;
  }
  return DuckdbType::kVarchar;
}

// ── values ───────────────────────────────────────────────────────────────────────────────────────

inline uint32_t IsValid(const uint64_t* bitmap, uint32_t row) {
  return static_cast<uint32_t>(bitmap[row / 64] >> (row % 64)) & 1;
}

void FillNull(DuckdbVector vector, uint32_t count) {
  memset(WritableValidity(vector), 0, (count + 63) / 64 * 8);
}

void FillValidity(DuckdbVector vector, const SegmentColumn& column, const ChunkRows& rows) {
  if (column.null_count() == 0) return;
  uint64_t* validity = WritableValidity(vector);
  if (rows.listed == nullptr) {
    memcpy(validity, column.validity + rows.begin / 64, (rows.count + 63) / 64 * 8);
    return;
  }
  memset(validity, 0, (rows.count + 63) / 64 * 8);
  for (uint32_t index = 0; index < rows.count; index += 1) {
    uint64_t bit = IsValid(column.validity, rows.listed[index]);
    validity[index / 64] |= bit << (index % 64);
  }
}

template <typename T>
void FillFixed(DuckdbVector vector, const SegmentColumn& column, const ChunkRows& rows) {
  const T* values = reinterpret_cast<const T*>(column.values);
  T* out = static_cast<T*>(duckdb.vector_get_data(vector));
  if (rows.listed == nullptr) {
    memcpy(out, values + rows.begin, rows.count * sizeof(T));
    return;
  }
  for (uint32_t index = 0; index < rows.count; index += 1) out[index] = values[rows.listed[index]];
}

// False when an offset lies outside the heap.
bool FillStrings(DuckdbVector vector, const SegmentColumn& column, const ChunkRows& rows) {
  const uint32_t* offsets = reinterpret_cast<const uint32_t*>(column.values);
  DuckdbString* out = static_cast<DuckdbString*>(duckdb.vector_get_data(vector));
  for (uint32_t index = 0; index < rows.count; index += 1) {
    uint32_t row = rows.listed == nullptr ? rows.begin + index : rows.listed[index];
    uint32_t begin = offsets[row];
    uint32_t end = offsets[row + 1];
    if (begin > end || end > column.heap_capacity) return false;
    out[index] = StringOver(column.heap + begin, end - begin);
  }
  return true;
}

// False when an entry lies outside the heap.
bool MakeDictionary(const SegmentColumn& column, Dictionary* dictionary) {
  uint32_t count = column.dictionary_count();
  bool has_null = column.null_count() > 0;
  LogicalType type(DuckdbType::kVarchar);
  DuckdbVector vector = duckdb.create_vector(type.get(), std::max<idx_t>(count + 1, kChunkRows));
  dictionary->vector = vector;
  dictionary->count = count;
  dictionary->has_null = has_null;
  DuckdbString* out = static_cast<DuckdbString*>(duckdb.vector_get_data(vector));
  if (has_null) {
    *out++ = StringOver("", 0);
    WritableValidity(vector)[0] &= ~uint64_t{1};
  }
  for (uint32_t code = 0; code < count; code += 1) {
    uint32_t begin = column.dictionary_offsets[code];
    uint32_t end = column.dictionary_offsets[code + 1];
    if (begin > end || end > column.heap_capacity) return false;
    out[code] = StringOver(column.heap + begin, end - begin);
  }
  return true;
}

// Turns codes into positions of the dictionary vector. Returns 1 when a code has no entry, else 0.
// The cases are compiled apart, because the loop runs for every row and the common one vectorises.
template <bool kHasNull, bool kIsListed>
uint32_t SelectEntries(const SegmentColumn& column, uint32_t count, const ChunkRows& rows,
                       uint32_t* out) {
  const uint32_t* codes = reinterpret_cast<const uint32_t*>(column.values);
  uint32_t beyond = 0;
  for (uint32_t index = 0; index < rows.count; index += 1) {
    uint32_t row = kIsListed ? rows.listed[index] : rows.begin + index;
    uint32_t code = codes[row];
    if (kHasNull) {
      uint32_t valid = IsValid(column.validity, row);
      beyond |= valid & (code >= count);
      out[index] = (code + 1) & (0 - valid);
    } else {
      beyond |= code >= count;
      out[index] = code;
    }
  }
  return beyond;
}

// False when a code has no entry.
bool FillDictionary(DuckdbVector vector, const SegmentColumn& column, const Dictionary& dictionary,
                    const ChunkRows& rows) {
  DuckdbSelection selection = duckdb.create_selection_vector(kChunkRows);
  uint32_t* out = duckdb.selection_vector_get_data_ptr(selection);
  bool is_listed = rows.listed != nullptr;
  auto select = dictionary.has_null
                    ? (is_listed ? SelectEntries<true, true> : SelectEntries<true, false>)
                    : (is_listed ? SelectEntries<false, true> : SelectEntries<false, false>);
  uint32_t beyond = select(column, dictionary.count, rows, out);
  if (beyond == 0) {
    duckdb.vector_reference_vector(vector, dictionary.vector);
    duckdb.slice_vector(vector, selection, rows.count);
  }
  duckdb.destroy_selection_vector(selection);
  return beyond == 0;
}

bool FillColumn(DuckdbVector vector, const SegmentColumn& column, Dictionary* dictionary,
                const ChunkRows& rows) {
  switch (column.type) {
    case ColumnType::kDictionary:
      if (dictionary->vector == nullptr && !MakeDictionary(column, dictionary)) return false;
      return FillDictionary(vector, column, *dictionary, rows);
    case ColumnType::kUtf8:
    case ColumnType::kJson:
      FillValidity(vector, column, rows);
      return FillStrings(vector, column, rows);
    case ColumnType::kUint32:
      FillValidity(vector, column, rows);
      FillFixed<uint32_t>(vector, column, rows);
      return true;
    case ColumnType::kInt64:
    case ColumnType::kUint64:
    case ColumnType::kFloat64:
    case ColumnType::kTimestampMicros:
      FillValidity(vector, column, rows);
      FillFixed<uint64_t>(vector, column, rows);
      return true;
  }
  return false;
}

// The visible rows of [begin, end), which lies in one chunk and starts at a multiple of 64; rows below
// `floor` are not among them.
ChunkRows VisibleRows(const Segment& segment, uint32_t begin, uint32_t end, uint32_t floor,
                      uint32_t* listed) {
  bool none_hidden = segment.hidden_count() == 0;
  if (none_hidden && floor <= begin) return {begin, end - begin, nullptr};
  uint32_t count = 0;
  for (uint32_t base = begin; base < end; base += 64) {
    uint64_t visible = none_hidden ? ~uint64_t{0} : ~segment.mask()[base / 64];
    if (base < floor) visible &= floor - base < 64 ? ~uint64_t{0} << (floor - base) : 0;
    if (end - base < 64) visible &= (uint64_t{1} << (end - base)) - 1;
    while (visible != 0) {
      listed[count++] = base + static_cast<uint32_t>(__builtin_ctzll(visible));
      visible &= visible - 1;
    }
  }
  if (count == end - begin) return {begin, count, nullptr};
  return {begin, count, listed};
}

// Keeps the rows whose value of the bound's column lies in it; NULL satisfies no comparison.
template <typename T>
ChunkRows RowsWithin(const SegmentColumn& column, const RowBound& bound, const ChunkRows& rows,
                     uint32_t* listed) {
  const T* values = reinterpret_cast<const T*>(column.values);
  const T min = static_cast<T>(std::max<int64_t>(bound.min, std::is_signed<T>::value ? bound.min : 0));
  const T max = static_cast<T>(bound.max);
  bool has_null = column.null_count() > 0;
  uint32_t count = 0;
  for (uint32_t index = 0; index < rows.count; index += 1) {
    uint32_t row = rows.listed == nullptr ? rows.begin + index : rows.listed[index];
    listed[count] = row;
    count += (values[row] >= min) & (values[row] <= max) & (!has_null || IsValid(column.validity, row));
  }
  if (count == rows.count) return rows;
  return {rows.begin, count, listed};
}

ChunkRows RowsWithin(const Segment& segment, const std::vector<RowBound>& bounds, ChunkRows rows,
                     uint32_t* listed) {
  for (const RowBound& bound : bounds) {
    const SegmentColumn& column = segment.columns()[bound.column];
    if (column.type == ColumnType::kUint64) {
      if (bound.max < 0) return {rows.begin, 0, nullptr};
      rows = RowsWithin<uint64_t>(column, bound, rows, listed);
    } else {
      rows = RowsWithin<int64_t>(column, bound, rows, listed);
    }
  }
  return rows;
}

// ── the table function ───────────────────────────────────────────────────────────────────────────

void Bind(DuckdbBindInfo info) {
  DuckdbValue parameter = duckdb.bind_get_parameter(info, 0);
  char* text = duckdb.is_null_value(parameter) ? nullptr : duckdb.get_varchar(parameter);
  std::string table = text == nullptr ? "" : text;
  duckdb.free(text);
  duckdb.destroy_value(&parameter);

  Snapshot snapshot;
  std::string failure = HotDirectory::Instance().Pin(table, &snapshot);
  if (!failure.empty()) return duckdb.bind_set_error(info, failure.c_str());

  auto plan = std::make_unique<ScanPlan>();
  plan->table = table;
  uint64_t rows = 0;
  for (const SnapshotSegment& part : snapshot.segments) rows += part.rows - part.begin;
  for (const SegmentColumn& column : snapshot.segments.back().segment->columns()) {
    LogicalType type(TypeOf(column.type), column.type == ColumnType::kJson ? "JSON" : nullptr);
    duckdb.bind_add_result_column(info, column.name.c_str(), type.get());
    plan->columns.push_back({column.name, column.type});
  }
  duckdb.bind_set_cardinality(info, rows, false);
  duckdb.bind_set_bind_data(info, plan.release(),
                            [](void* data) { delete static_cast<ScanPlan*>(data); });
}

// Whether a bound says that no row of the segment is wanted.
bool IsSkipped(const Segment& segment, const std::vector<ScanBound>& bounds) {
  for (const ScanBound& bound : bounds) {
    int index = segment.Find(bound.column);
    if (index < 0) continue;
    const SegmentColumn& column = segment.columns()[index];
    bool ordered = column.type == ColumnType::kInt64 || column.type == ColumnType::kTimestampMicros;
    // Without values min is above max, and NULL satisfies no comparison.
    if (ordered && (column.max() < bound.min || column.min() > bound.max)) return true;
  }
  return false;
}

// The bounds that can be tried row by row.
std::vector<RowBound> RowBoundsOf(const Segment& segment, const std::vector<ScanBound>& bounds) {
  std::vector<RowBound> found;
  for (const ScanBound& bound : bounds) {
    int index = segment.Find(bound.column);
    if (index < 0) continue;
    ColumnType type = segment.columns()[index].type;
    bool comparable = type == ColumnType::kInt64 || type == ColumnType::kTimestampMicros ||
                      type == ColumnType::kUint64;
    if (comparable) found.push_back({index, bound.min, bound.max});
  }
  return found;
}

// Finds the planned columns in a segment. False when one has another type by now.
bool MatchColumns(const ScanPlan& plan, const std::vector<idx_t>& projected, const Segment& segment,
                  std::vector<int>* sources) {
  for (idx_t position : projected) {
    int source = -1;
    if (position < plan.columns.size()) {
      source = segment.Find(plan.columns[position].name);
      if (source >= 0 && segment.columns()[source].type != plan.columns[position].type) return false;
    }
    sources->push_back(source);
  }
  return true;
}

void Init(DuckdbInitInfo info) {
  const auto& plan = *static_cast<const ScanPlan*>(duckdb.init_get_bind_data(info));
  HotDirectory& directory = HotDirectory::Instance();
  auto scan = std::make_unique<Scan>();
  std::string failure = directory.Pin(plan.table, &scan->snapshot);
  if (!failure.empty()) return duckdb.init_set_error(info, failure.c_str());

  idx_t column_count = duckdb.init_get_column_count(info);
  for (idx_t output = 0; output < column_count; output += 1) {
    scan->projected.push_back(duckdb.init_get_column_index(info, output));
  }
  std::vector<ScanBound> bounds = directory.BoundsOf(plan.table);
  scan->sources.resize(scan->snapshot.segments.size());
  scan->bounds.resize(scan->snapshot.segments.size());
  for (uint32_t index = 0; index < scan->snapshot.segments.size(); index += 1) {
    const SnapshotSegment& part = scan->snapshot.segments[index];
    if (part.begin == part.rows) continue;
    if (IsSkipped(*part.segment, bounds)) {
      directory.counts().segments_skipped += 1;
      continue;
    }
    if (!MatchColumns(plan, scan->projected, *part.segment, &scan->sources[index])) {
      return duckdb.init_set_error(info, "the table changed its columns; run the statement again");
    }
    scan->bounds[index] = RowBoundsOf(*part.segment, bounds);
    directory.counts().segments_scanned += 1;
    // Chunks start at multiples of their length, so the first one may begin with rows below the floor.
    uint32_t first = part.begin / kChunkRows * kChunkRows;
    for (uint32_t begin = first; begin < part.rows; begin += kUnitRows) {
      scan->units.push_back({index, begin, std::min(begin + kUnitRows, part.rows)});
    }
  }
  duckdb.init_set_max_threads(info, std::max<idx_t>(scan->units.size(), 1));
  duckdb.init_set_init_data(info, scan.release(), [](void* data) { delete static_cast<Scan*>(data); });
}

void InitWorker(DuckdbInitInfo info) {
  duckdb.init_set_init_data(info, new Worker(), [](void* data) { delete static_cast<Worker*>(data); });
}

// Moves the worker to its next chunk that has visible rows. False when the scan is over.
bool NextChunk(Scan& scan, Worker& worker, ChunkRows* rows) {
  for (;;) {
    if (worker.unit.begin == worker.unit.end) {
      size_t next = scan.next_unit.fetch_add(1, std::memory_order_relaxed);
      if (next >= scan.units.size()) return false;
      worker.unit = scan.units[next];
      if (!worker.has_segment || worker.segment != worker.unit.segment) {
        worker.DropDictionaries();
        worker.dictionaries.resize(scan.projected.size());
        worker.segment = worker.unit.segment;
        worker.has_segment = true;
      }
    }
    uint32_t begin = worker.unit.begin;
    uint32_t end = std::min(begin + kChunkRows, worker.unit.end);
    worker.unit.begin = end;
    const SnapshotSegment& part = scan.snapshot.segments[worker.segment];
    const Segment& segment = *part.segment;
    *rows = VisibleRows(segment, begin, end, part.begin, worker.rows);
    *rows = RowsWithin(segment, scan.bounds[worker.segment], *rows, worker.rows);
    if (rows->count > 0) return true;
  }
}

void Produce(DuckdbFunctionInfo info, DuckdbChunk chunk) {
  auto& scan = *static_cast<Scan*>(duckdb.function_get_init_data(info));
  auto& worker = *static_cast<Worker*>(duckdb.function_get_local_init_data(info));
  ChunkRows rows;
  if (!NextChunk(scan, worker, &rows)) return duckdb.data_chunk_set_size(chunk, 0);

  const Segment& segment = *scan.snapshot.segments[worker.segment].segment;
  const std::vector<int>& sources = scan.sources[worker.segment];
  for (size_t output = 0; output < sources.size(); output += 1) {
    DuckdbVector vector = duckdb.data_chunk_get_vector(chunk, output);
    if (sources[output] < 0) {
      FillNull(vector, rows.count);
    } else if (!FillColumn(vector, segment.columns()[sources[output]],
                           &worker.dictionaries[output], rows)) {
      duckdb.data_chunk_set_size(chunk, 0);
      return duckdb.function_set_error(info, "a hot segment is damaged: a string lies outside it");
    }
  }
  duckdb.data_chunk_set_size(chunk, rows.count);
  HotDirectory::Instance().counts().rows_scanned.fetch_add(rows.count, std::memory_order_relaxed);
}

}  // namespace

bool RegisterScan(DuckdbConnection connection) {
  // Chunks are filled 2,048 rows at a time; a DuckDB built with smaller vectors is not supported.
  if (duckdb.vector_size() < kChunkRows) return false;
  LogicalType name(DuckdbType::kVarchar);
  return RegisterTableFunction(connection, "hot_scan", {Bind, Init, InitWorker, Produce}, name.get());
}

}  // namespace tributary
