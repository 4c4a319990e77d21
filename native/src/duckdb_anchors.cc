// hot_anchors(): one row per anchor that belongs to a profile, in order of the anchors, read from identity's
// shared arrays (the end of segment_format.h lists them).
//
//   anchor UINTEGER, profile UINTEGER, node UINTEGER, is_current BOOLEAN, opened_at TIMESTAMPTZ,
//   first_seen TIMESTAMPTZ, last_seen TIMESTAMPTZ, event_count UINTEGER
//
// - An anchor is current while the next event of its identifier is attributed to it.
// - An anchor was opened in the minute that opened_at names.
// - An erased anchor has the profile 0, and no row.
// - Files that are not there yet make an empty result. What is not published yet is not read.
#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "duckdb_api.h"
#include "hot_directory.h"

namespace tributary {
namespace {

enum AnchorColumn : idx_t {
  kAnchor,
  kProfile,
  kNode,
  kIsCurrent,
  kOpenedAt,
  kFirstSeen,
  kLastSeen,
  kEventCount
};

constexpr struct {
  const char* name;
  DuckdbType type;
} kColumns[] = {
    {"anchor", DuckdbType::kUinteger},         {"profile", DuckdbType::kUinteger},
    {"node", DuckdbType::kUinteger},           {"is_current", DuckdbType::kBoolean},
    {"opened_at", DuckdbType::kTimestampTz},   {"first_seen", DuckdbType::kTimestampTz},
    {"last_seen", DuckdbType::kTimestampTz},   {"event_count", DuckdbType::kUinteger},
};

constexpr uint32_t kChunkRows = 2048;
constexpr uint64_t kUnitAnchors = 64 * kChunkRows;
constexpr int64_t kMicrosPerMinute = 60000000;

struct AnchorScan {
  MappedArray profile_of, records, times, minutes, node_anchors;
  uint64_t count = 0;  // ordinals below it are published
  std::vector<idx_t> projected;
  std::atomic<uint64_t> next{0};
};

struct AnchorWorker {
  uint64_t next = 0;
  uint64_t end = 0;
  // Of a chunk: the anchors that have a profile, and which.
  uint32_t anchors[kChunkRows];
  uint32_t profiles[kChunkRows];
  uint32_t count = 0;
};

void BindAnchors(DuckdbBindInfo info) {
  for (const auto& column : kColumns) {
    LogicalType type(column.type);
    duckdb.bind_add_result_column(info, column.name, type.get());
  }
  duckdb.bind_set_cardinality(info, HotDirectory::Instance().Array("profile_of").count(), false);
}

void InitAnchors(DuckdbInitInfo info) {
  HotDirectory& directory = HotDirectory::Instance();
  auto scan = std::make_unique<AnchorScan>();
  scan->profile_of = directory.Array("profile_of");
  scan->records = directory.Array("anchor_records");
  scan->times = directory.Array("anchor_times");
  scan->minutes = directory.Array("anchor_minutes");
  scan->node_anchors = directory.Array("node_anchors");
  // The arrays of anchors are of 32-bit words: three and four an anchor.
  scan->count = std::min({scan->profile_of.count(), scan->profile_of.CapacityOf(4),
                          scan->records.CapacityOf(4) / 3, scan->times.CapacityOf(4) / 4});
  for (idx_t output = 0; output < duckdb.init_get_column_count(info); output += 1) {
    scan->projected.push_back(duckdb.init_get_column_index(info, output));
  }
  duckdb.init_set_max_threads(info, scan->count / kUnitAnchors + 1);
  duckdb.init_set_init_data(info, scan.release(),
                            [](void* data) { delete static_cast<AnchorScan*>(data); });
}

void InitAnchorWorker(DuckdbInitInfo info) {
  duckdb.init_set_init_data(info, new AnchorWorker(),
                            [](void* data) { delete static_cast<AnchorWorker*>(data); });
}

// Collects the anchors of the next chunk that has any. False when the scan is over.
bool NextAnchors(AnchorScan& scan, AnchorWorker& worker) {
  const uint32_t* profile_of = scan.count == 0 ? nullptr : scan.profile_of.As<uint32_t>();
  for (;;) {
    if (worker.next == worker.end) {
      worker.next = scan.next.fetch_add(kUnitAnchors, std::memory_order_relaxed);
      if (worker.next >= scan.count) {
        worker.next = worker.end = 0;
        return false;
      }
      worker.end = std::min(worker.next + kUnitAnchors, scan.count);
    }
    uint64_t end = std::min<uint64_t>(worker.next + kChunkRows, worker.end);
    worker.count = 0;
    for (uint64_t anchor = std::max<uint64_t>(worker.next, 1); anchor < end; anchor += 1) {
      uint32_t profile = __atomic_load_n(&profile_of[anchor], __ATOMIC_RELAXED);
      if (profile == 0) continue;
      worker.anchors[worker.count] = static_cast<uint32_t>(anchor);
      worker.profiles[worker.count++] = profile;
    }
    worker.next = end;
    if (worker.count > 0) return true;
  }
}

// Calls `value_of(anchor, &value)` for each row; false makes it NULL.
template <typename T, typename ValueOf>
void Fill(DuckdbVector vector, const AnchorWorker& worker, ValueOf value_of) {
  T* out = static_cast<T*>(duckdb.vector_get_data(vector));
  uint64_t* validity = WritableValidity(vector);
  for (uint32_t row = 0; row < worker.count; row += 1) {
    if (!value_of(worker.anchors[row], &out[row])) {
      validity[row / 64] &= ~(uint64_t{1} << (row % 64));
    }
  }
}

// The minute in which each anchor was opened; anchors and marks ascend together.
class Openings {
 public:
  Openings(const MappedArray& minutes, uint32_t first_anchor) {
    // An array of 32-bit words, two a mark.
    uint64_t count = std::min(minutes.count(), minutes.CapacityOf(4)) / 2;
    mark_ = count == 0 ? nullptr : minutes.As<MinuteMark>();
    end_ = mark_ + count;
    auto is_after = [](uint32_t anchor, const MinuteMark& mark) { return anchor < mark.first; };
    next_ = std::upper_bound(mark_, end_, first_anchor, is_after);
  }
  // For anchors in ascending order. False where no mark is published.
  bool MinuteOf(uint32_t anchor, uint32_t* minute) {
    while (next_ != end_ && next_->first <= anchor) next_++;
    if (next_ == mark_) return false;
    *minute = next_[-1].minute;
    return true;
  }

 private:
  const MinuteMark *mark_, *end_, *next_;
};

bool IsCurrent(const AnchorScan& scan, uint32_t node, uint32_t anchor) {
  if (node >= scan.node_anchors.CapacityOf(4)) return false;
  uint32_t word = __atomic_load_n(&scan.node_anchors.As<uint32_t>()[node], __ATOMIC_RELAXED);
  return (word & kNodeAnchorMask) == anchor && (word & (kNodeClosed | kNodeBlocked)) == 0;
}

void FillAnchorColumn(DuckdbVector vector, idx_t column, const AnchorScan& scan,
                      const AnchorWorker& worker) {
  const auto* records = scan.records.As<AnchorRecord>();
  const auto* times = scan.times.As<AnchorTimes>();
  switch (column) {
    case kAnchor:
      memcpy(duckdb.vector_get_data(vector), worker.anchors, worker.count * sizeof(uint32_t));
      return;
    case kProfile:
      memcpy(duckdb.vector_get_data(vector), worker.profiles, worker.count * sizeof(uint32_t));
      return;
    case kNode:
      return Fill<uint32_t>(vector, worker, [&](uint32_t anchor, uint32_t* out) {
        *out = records[anchor].node & kOrdinalMask;
        return true;
      });
    case kIsCurrent:
      return Fill<bool>(vector, worker, [&](uint32_t anchor, bool* out) {
        *out = IsCurrent(scan, records[anchor].node & kOrdinalMask, anchor);
        return true;
      });
    case kOpenedAt: {
      Openings openings(scan.minutes, worker.anchors[0]);
      return Fill<int64_t>(vector, worker, [&](uint32_t anchor, int64_t* out) {
        uint32_t minute;
        if (!openings.MinuteOf(anchor, &minute)) return false;
        *out = minute * kMicrosPerMinute;
        return true;
      });
    }
    case kFirstSeen:
    case kLastSeen:
      return Fill<int64_t>(vector, worker, [&](uint32_t anchor, int64_t* out) {
        *out = column == kFirstSeen ? times[anchor].first : times[anchor].last;
        return records[anchor].events > 0;
      });
    case kEventCount:
      return Fill<uint32_t>(vector, worker, [&](uint32_t anchor, uint32_t* out) {
        *out = records[anchor].events;
        return true;
      });
    // A row id, which nothing reads.
    default: memset(WritableValidity(vector), 0, kChunkRows / 8);
  }
}

void ProduceAnchors(DuckdbFunctionInfo info, DuckdbChunk chunk) {
  auto& scan = *static_cast<AnchorScan*>(duckdb.function_get_init_data(info));
  auto& worker = *static_cast<AnchorWorker*>(duckdb.function_get_local_init_data(info));
  if (!NextAnchors(scan, worker)) return duckdb.data_chunk_set_size(chunk, 0);
  for (idx_t output = 0; output < scan.projected.size(); output += 1) {
    FillAnchorColumn(duckdb.data_chunk_get_vector(chunk, output), scan.projected[output], scan, worker);
  }
  duckdb.data_chunk_set_size(chunk, worker.count);
}

}  // namespace

bool RegisterAnchors(DuckdbConnection connection) {
  DuckdbTableFunction function = duckdb.create_table_function();
  duckdb.table_function_set_name(function, "hot_anchors");
  duckdb.table_function_set_bind(function, BindAnchors);
  duckdb.table_function_set_init(function, InitAnchors);
  duckdb.table_function_set_local_init(function, InitAnchorWorker);
  duckdb.table_function_set_function(function, ProduceAnchors);
  duckdb.table_function_supports_projection_pushdown(function, true);
  bool registered = duckdb.register_table_function(connection, function) == DuckdbState::kSuccess;
  duckdb.destroy_table_function(&function);
  return registered;
}

}  // namespace tributary
