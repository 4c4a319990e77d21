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
#include <cstring>
#include <vector>

#include "ordinal_scan.h"

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

constexpr int64_t kMicrosPerMinute = 60000000;

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

class AnchorTable {
 public:
  static constexpr const char* kName = "hot_anchors";
  static constexpr const char* kCardinality = "profile_of";
  static constexpr ResultColumn kColumns[] = {
      {"anchor", DuckdbType::kUinteger},       {"profile", DuckdbType::kUinteger},
      {"node", DuckdbType::kUinteger},         {"is_current", DuckdbType::kBoolean},
      {"opened_at", DuckdbType::kTimestampTz}, {"first_seen", DuckdbType::kTimestampTz},
      {"last_seen", DuckdbType::kTimestampTz}, {"event_count", DuckdbType::kUinteger},
  };
  // The anchors that have a profile, and which.
  struct Chunk {
    uint32_t anchors[kChunkRows];
    uint32_t profiles[kChunkRows];
    uint32_t count = 0;
  };

  AnchorTable()
      : profile_of_(HotDirectory::Instance().Array("profile_of")),
        records_(HotDirectory::Instance().Array("anchor_records")),
        times_(HotDirectory::Instance().Array("anchor_times")),
        minutes_(HotDirectory::Instance().Array("anchor_minutes")),
        node_anchors_(HotDirectory::Instance().Array("node_anchors")) {
    // The arrays of anchors are of 32-bit words: three and four an anchor.
    count_ = std::min({profile_of_.count(), profile_of_.CapacityOf(4), records_.CapacityOf(4) / 3,
                       times_.CapacityOf(4) / 4});
  }

  uint64_t count() const { return count_; }

  void Take(uint32_t anchor, Chunk* chunk) const {
    uint32_t profile = __atomic_load_n(&profile_of_.As<uint32_t>()[anchor], __ATOMIC_RELAXED);
    if (profile == 0) return;
    chunk->anchors[chunk->count] = anchor;
    chunk->profiles[chunk->count++] = profile;
  }

  void Prepare(const std::vector<idx_t>&, Chunk*) const {}

  void Fill(DuckdbVector vector, idx_t column, const Chunk& chunk) const;

 private:
  // Calls `value_of(anchor, &value)` for each row; false makes it NULL.
  template <typename T, typename ValueOf>
  static void FillEach(DuckdbVector vector, const Chunk& chunk, ValueOf value_of) {
    T* out = static_cast<T*>(duckdb.vector_get_data(vector));
    uint64_t* validity = WritableValidity(vector);
    for (uint32_t row = 0; row < chunk.count; row += 1) {
      if (!value_of(chunk.anchors[row], &out[row])) SetNull(validity, row);
    }
  }

  bool IsCurrent(uint32_t node, uint32_t anchor) const {
    if (node >= node_anchors_.CapacityOf(4)) return false;
    uint32_t word = __atomic_load_n(&node_anchors_.As<uint32_t>()[node], __ATOMIC_RELAXED);
    return (word & kNodeAnchorMask) == anchor && (word & (kNodeClosed | kNodeBlocked)) == 0;
  }

  MappedArray profile_of_, records_, times_, minutes_, node_anchors_;
  uint64_t count_ = 0;
};

void AnchorTable::Fill(DuckdbVector vector, idx_t column, const Chunk& chunk) const {
  const auto* records = records_.As<AnchorRecord>();
  const auto* times = times_.As<AnchorTimes>();
  switch (column) {
    case kAnchor:
      memcpy(duckdb.vector_get_data(vector), chunk.anchors, chunk.count * sizeof(uint32_t));
      return;
    case kProfile:
      memcpy(duckdb.vector_get_data(vector), chunk.profiles, chunk.count * sizeof(uint32_t));
      return;
    case kNode:
      return FillEach<uint32_t>(vector, chunk, [&](uint32_t anchor, uint32_t* out) {
        *out = records[anchor].node & kOrdinalMask;
        return true;
      });
    case kIsCurrent:
      return FillEach<bool>(vector, chunk, [&](uint32_t anchor, bool* out) {
        *out = IsCurrent(records[anchor].node & kOrdinalMask, anchor);
        return true;
      });
    case kOpenedAt: {
      Openings openings(minutes_, chunk.anchors[0]);
      return FillEach<int64_t>(vector, chunk, [&](uint32_t anchor, int64_t* out) {
        uint32_t minute;
        if (!openings.MinuteOf(anchor, &minute)) return false;
        *out = minute * kMicrosPerMinute;
        return true;
      });
    }
    case kFirstSeen:
    case kLastSeen:
      return FillEach<int64_t>(vector, chunk, [&](uint32_t anchor, int64_t* out) {
        *out = column == kFirstSeen ? times[anchor].first : times[anchor].last;
        return records[anchor].events > 0;
      });
    case kEventCount:
      return FillEach<uint32_t>(vector, chunk, [&](uint32_t anchor, uint32_t* out) {
        *out = records[anchor].events;
        return true;
      });
  }
}

}  // namespace

bool RegisterAnchors(DuckdbConnection connection) {
  return OrdinalScan<AnchorTable>::Register(connection);
}

}  // namespace tributary
