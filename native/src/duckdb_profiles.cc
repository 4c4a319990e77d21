// hot_profiles(): one row per live profile, in order of the profiles, read from identity's shared arrays (the
// end of segment_format.h lists them).
//
//   profile UINTEGER, profile_id UUID, user_id VARCHAR, anchor_count UINTEGER, first_seen TIMESTAMPTZ,
//   last_seen TIMESTAMPTZ, event_count UINTEGER
//
// - A profile's anchors are a ring that begins at its head; what it did is added up over them.
// - The user_id is that of the head: a profile that has one has it there.
// - Files that are not there yet make an empty result. What is not published yet is not read.
#include <algorithm>
#include <cstring>
#include <vector>

#include "identity_names.h"
#include "ordinal_scan.h"
#include "profile_rings.h"

namespace tributary {
namespace {

enum ProfileColumn : idx_t {
  kProfile,
  kPublicId,
  kUserId,
  kAnchorCount,
  kFirstSeen,
  kLastSeen,
  kEventCount
};

class ProfileTable {
 public:
  static constexpr const char* kName = "hot_profiles";
  static constexpr const char* kCardinality = "profile_heads";
  static constexpr ResultColumn kColumns[] = {
      {"profile", DuckdbType::kUinteger},       {"profile_id", DuckdbType::kUuid},
      {"user_id", DuckdbType::kVarchar},        {"anchor_count", DuckdbType::kUinteger},
      {"first_seen", DuckdbType::kTimestampTz}, {"last_seen", DuckdbType::kTimestampTz},
      {"event_count", DuckdbType::kUinteger},
  };
  // The live profiles, and what they did, once a column asks for it.
  struct Chunk {
    uint32_t profiles[kChunkRows];
    uint32_t count = 0;
    struct {
      int64_t first, last;
      uint32_t events;
    } activity[kChunkRows];
  };

  ProfileTable() : times_(HotDirectory::Instance().Array("anchor_times")) {
    // An array of 32-bit words, four an anchor.
    timed_ = times_.CapacityOf(4) / 4;
  }

  uint64_t count() const { return rings_.count(); }

  void Take(uint32_t profile, Chunk* chunk) const {
    if (rings_.SizeOf(profile) > 0) chunk->profiles[chunk->count++] = profile;
  }

  void Prepare(const std::vector<idx_t>& columns, Chunk* chunk) const {
    for (idx_t column : columns) {
      if (column >= kFirstSeen && column <= kEventCount) return AddUpActivity(chunk);
    }
  }

  void Fill(DuckdbVector vector, idx_t column, const Chunk& chunk) const;

 private:
  void FillUserIds(DuckdbVector vector, const Chunk& chunk) const;
  void FillAnchorCounts(DuckdbVector vector, const Chunk& chunk) const;
  void AddUpActivity(Chunk* chunk) const;

  ProfileRings rings_;
  MappedArray times_;
  PublicIds ids_;
  IdentifierValues identifiers_;
  uint64_t timed_ = 0;  // anchors that times_ has room for
};

void ProfileTable::FillUserIds(DuckdbVector vector, const Chunk& chunk) const {
  auto* out = static_cast<DuckdbString*>(duckdb.vector_get_data(vector));
  uint64_t* validity = WritableValidity(vector);
  for (uint32_t row = 0; row < chunk.count; row += 1) {
    uint32_t head = rings_.HeadOf(chunk.profiles[row]);
    bool is_user = head != 0 && TypeOf(rings_.RecordOf(head)) == kUserIdType;
    uint32_t node = is_user ? rings_.RecordOf(head).node & kOrdinalMask : 0;
    if (!identifiers_.Find(node, &out[row])) SetNull(validity, row);
  }
}

void ProfileTable::FillAnchorCounts(DuckdbVector vector, const Chunk& chunk) const {
  auto* out = static_cast<uint32_t*>(duckdb.vector_get_data(vector));
  for (uint32_t row = 0; row < chunk.count; row += 1) {
    uint32_t profile = chunk.profiles[row];
    uint32_t count = rings_.SizeOf(profile);
    if (count == kSizeMany) {
      count = 0;
      rings_.EachAnchor(profile, [&](uint32_t) { count += 1; });
    }
    out[row] = count;
  }
}

// Adds up the anchors of each profile.
void ProfileTable::AddUpActivity(Chunk* chunk) const {
  for (uint32_t row = 0; row < chunk->count; row += 1) {
    auto& activity = chunk->activity[row];
    activity = {};
    rings_.EachAnchor(chunk->profiles[row], [&](uint32_t anchor) {
      const uint32_t events = rings_.RecordOf(anchor).events;
      if (events == 0 || anchor >= timed_) return;
      const AnchorTimes& times = times_.As<AnchorTimes>()[anchor];
      bool is_first = activity.events == 0;
      activity.first = is_first ? times.first : std::min(activity.first, times.first);
      activity.last = is_first ? times.last : std::max(activity.last, times.last);
      activity.events += events;
    });
  }
}

void FillActivity(DuckdbVector vector, idx_t column, const ProfileTable::Chunk& chunk) {
  void* out = duckdb.vector_get_data(vector);
  uint64_t* validity = column == kEventCount ? nullptr : WritableValidity(vector);
  for (uint32_t row = 0; row < chunk.count; row += 1) {
    const auto& activity = chunk.activity[row];
    if (column == kEventCount) {
      static_cast<uint32_t*>(out)[row] = activity.events;
    } else if (activity.events == 0) {
      SetNull(validity, row);  // linked by an operator before it did anything
    } else {
      static_cast<int64_t*>(out)[row] = column == kFirstSeen ? activity.first : activity.last;
    }
  }
}

void ProfileTable::Fill(DuckdbVector vector, idx_t column, const Chunk& chunk) const {
  switch (column) {
    case kProfile:
      memcpy(duckdb.vector_get_data(vector), chunk.profiles, chunk.count * sizeof(uint32_t));
      return;
    case kPublicId: {
      auto* out = static_cast<DuckdbHugeint*>(duckdb.vector_get_data(vector));
      for (uint32_t row = 0; row < chunk.count; row += 1) {
        out[row] = ids_.Of(chunk.profiles[row]);
      }
      return;
    }
    case kUserId: return FillUserIds(vector, chunk);
    case kAnchorCount: return FillAnchorCounts(vector, chunk);
    case kFirstSeen:
    case kLastSeen:
    case kEventCount: return FillActivity(vector, column, chunk);
  }
}

}  // namespace

bool RegisterProfiles(DuckdbConnection connection) {
  return OrdinalScan<ProfileTable>::Register(connection);
}

}  // namespace tributary
