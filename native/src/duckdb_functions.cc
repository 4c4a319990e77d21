// Today's profiles, read from identity's shared arrays (the end of segment_format.h lists them).
//
//   profile_of(anchor UINTEGER) -> UINTEGER   the profile an anchor belongs to now
//   profile_id(profile UINTEGER) -> UUID      the public id of a profile
//   identifier_value(node UINTEGER) -> VARCHAR
//   identifier_type(node UINTEGER) -> VARCHAR
//   hot_profiles()                            one row per live profile
//
// - Ordinal 0 is "none": it, NULL and ordinals that are not published yet give NULL.
// - Files that are not there yet make empty results, not errors.
// - The functions are declared stable so that DuckDB may move filters over them: within a statement a
//   merge may become visible between two rows, as it may between two statements.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <memory>
#include <vector>

#include "duckdb_api.h"
#include "hot_directory.h"
#include "node_values.h"
#include "profile_id_cipher.h"

namespace tributary {
namespace {

bool IsSet(const uint64_t* validity, idx_t row) {
  return validity == nullptr || (validity[row / 64] >> (row % 64) & 1) != 0;
}

void SetNull(uint64_t* validity, idx_t row) { validity[row / 64] &= ~(uint64_t{1} << (row % 64)); }

// DuckDB keeps a UUID as a hugeint whose top bit is flipped, so that its order is that of the text.
DuckdbHugeint UuidOf(const uint8_t* bytes) {
  uint64_t upper;
  uint64_t lower;
  memcpy(&upper, bytes, 8);
  memcpy(&lower, bytes + 8, 8);
  upper = __builtin_bswap64(upper) ^ (uint64_t{1} << 63);
  return {__builtin_bswap64(lower), static_cast<int64_t>(upper)};
}

// The values of identifiers by node; strings point into the mapping.
class IdentifierValues {
 public:
  IdentifierValues()
      : blocks_(HotDirectory::Instance().Array("node_values")),
        bytes_(HotDirectory::Instance().Array("identifier_values")) {}

  // False when the node has no value, or none any more.
  bool Find(uint32_t node, DuckdbString* value) const {
    NodeEntry entry = Published(node);
    if (entry.end == 0 || bytes_.elements()[entry.start] == 0) return false;
    *value = StringOver(reinterpret_cast<const char*>(bytes_.elements() + entry.start + 1),
                        static_cast<uint32_t>(entry.end - entry.start - 1));
    return true;
  }

  // The number of its type, which lies before the value; 0 when the node has no value, or none any more.
  uint8_t TypeOf(uint32_t node) const {
    NodeEntry entry = Published(node);
    return entry.end == 0 ? 0 : bytes_.elements()[entry.start];
  }

 private:
  NodeEntry Published(uint32_t node) const {
    uint64_t blocks = std::min(blocks_.count(), blocks_.CapacityOf(sizeof(NodeBlock)));
    if (node == 0 || (node - 1) / kBlockNodes >= blocks) return {};
    NodeEntry entry = EntryOf(blocks_.As<NodeBlock>(), node);
    uint64_t bytes = std::min(bytes_.count(), bytes_.CapacityOf(1));
    // The start of a damaged block may be anything.
    return entry.start < entry.end && entry.end <= bytes ? entry : NodeEntry{};
  }

  MappedArray blocks_, bytes_;
};

// The public ids of profiles, made from their ordinals.
class PublicIds {
 public:
  PublicIds()
      : heads_(HotDirectory::Instance().Array("profile_heads")),
        key_(HotDirectory::Instance().Array("profile_key")) {
    constexpr uint8_t kNone[kProfileIdBytes] = {};
    bool has_key = key_.count() > 0 && key_.CapacityOf(kProfileIdBytes) > 0;
    cipher_ = ProfileIdCipher(has_key ? key_.elements() : kNone);
    count_ = has_key ? std::min(heads_.count(), heads_.CapacityOf(4)) : 0;
  }
  // Ordinals below it are published.
  uint64_t count() const { return count_; }
  DuckdbHugeint Of(uint32_t profile) const {
    uint8_t id[kProfileIdBytes];
    cipher_.Write(profile, id);
    return UuidOf(id);
  }

 private:
  MappedArray heads_, key_;
  ProfileIdCipher cipher_;
  uint64_t count_ = 0;
};

// ── scalar functions ─────────────────────────────────────────────────────────────────────────────

void ProfileOf(DuckdbFunctionInfo, DuckdbChunk input, DuckdbVector output) {
  MappedArray array = HotDirectory::Instance().Array("profile_of");
  uint64_t count = std::min(array.count(), array.CapacityOf(4));
  const uint32_t* profile_of = count == 0 ? nullptr : array.As<uint32_t>();

  idx_t rows = duckdb.data_chunk_get_size(input);
  DuckdbVector argument = duckdb.data_chunk_get_vector(input, 0);
  const uint32_t* anchors = static_cast<const uint32_t*>(duckdb.vector_get_data(argument));
  const uint64_t* argument_validity = duckdb.vector_get_validity(argument);
  uint32_t* out = static_cast<uint32_t*>(duckdb.vector_get_data(output));
  uint64_t* validity = WritableValidity(output);
  for (idx_t row = 0; row < rows; row += 1) {
    uint32_t anchor = IsSet(argument_validity, row) ? anchors[row] : 0;
    uint32_t profile = anchor < count ? __atomic_load_n(&profile_of[anchor], __ATOMIC_RELAXED) : 0;
    if (anchor == 0 || profile == 0) SetNull(validity, row);
    out[row] = profile;
  }
}

void ProfileId(DuckdbFunctionInfo, DuckdbChunk input, DuckdbVector output) {
  PublicIds ids;

  idx_t rows = duckdb.data_chunk_get_size(input);
  DuckdbVector argument = duckdb.data_chunk_get_vector(input, 0);
  const uint32_t* profiles = static_cast<const uint32_t*>(duckdb.vector_get_data(argument));
  const uint64_t* argument_validity = duckdb.vector_get_validity(argument);
  DuckdbHugeint* out = static_cast<DuckdbHugeint*>(duckdb.vector_get_data(output));
  uint64_t* validity = WritableValidity(output);
  for (idx_t row = 0; row < rows; row += 1) {
    uint32_t profile = IsSet(argument_validity, row) ? profiles[row] : 0;
    if (profile == 0 || profile >= ids.count()) {
      SetNull(validity, row);
    } else {
      out[row] = ids.Of(profile);
    }
  }
}

// Calls `find(node, &value)` for each node of the argument; false makes the result NULL.
template <typename Find>
void MapNodes(DuckdbChunk input, DuckdbVector output, Find find) {
  idx_t rows = duckdb.data_chunk_get_size(input);
  DuckdbVector argument = duckdb.data_chunk_get_vector(input, 0);
  const uint32_t* nodes = static_cast<const uint32_t*>(duckdb.vector_get_data(argument));
  const uint64_t* argument_validity = duckdb.vector_get_validity(argument);
  auto* out = static_cast<DuckdbString*>(duckdb.vector_get_data(output));
  uint64_t* validity = WritableValidity(output);
  for (idx_t row = 0; row < rows; row += 1) {
    uint32_t node = IsSet(argument_validity, row) ? nodes[row] : 0;
    if (!find(node, &out[row])) SetNull(validity, row);
  }
}

void IdentifierValue(DuckdbFunctionInfo, DuckdbChunk input, DuckdbVector output) {
  IdentifierValues identifiers;
  MapNodes(input, output, [&](uint32_t node, DuckdbString* value) {
    return identifiers.Find(node, value);
  });
}

void IdentifierType(DuckdbFunctionInfo, DuckdbChunk input, DuckdbVector output) {
  constexpr uint64_t kNameBytes = 64;
  IdentifierValues identifiers;
  MappedArray names = HotDirectory::Instance().Array("identifier_types");
  uint64_t count = std::min(names.count(), names.CapacityOf(kNameBytes));
  MapNodes(input, output, [&](uint32_t node, DuckdbString* name) {
    uint8_t type = identifiers.TypeOf(node);
    if (type == 0 || type >= count) return false;
    auto* text = reinterpret_cast<const char*>(names.elements() + type * kNameBytes);
    *name = StringOver(text, static_cast<uint32_t>(strnlen(text, kNameBytes)));
    return *text != 0;
  });
}

bool RegisterScalar(DuckdbConnection connection, const char* name, DuckdbType result,
                    DuckdbScalarCallback callback) {
  LogicalType parameter_type(DuckdbType::kUinteger);
  LogicalType result_type(result);
  DuckdbScalarFunction function = duckdb.create_scalar_function();
  duckdb.scalar_function_set_name(function, name);
  duckdb.scalar_function_add_parameter(function, parameter_type.get());
  duckdb.scalar_function_set_return_type(function, result_type.get());
  duckdb.scalar_function_set_special_handling(function);
  duckdb.scalar_function_set_function(function, callback);
  bool registered = duckdb.register_scalar_function(connection, function) == DuckdbState::kSuccess;
  duckdb.destroy_scalar_function(&function);
  return registered;
}

// ── hot_profiles() ───────────────────────────────────────────────────────────────────────────────

enum ProfileColumn : idx_t {
  kProfile,
  kPublicId,
  kUserId,
  kAnchorCount,
  kFirstSeen,
  kLastSeen,
  kEventCount
};

constexpr struct {
  const char* name;
  DuckdbType type;
} kProfileColumns[] = {
    {"profile", DuckdbType::kUinteger},       {"profile_id", DuckdbType::kUuid},
    {"user_id", DuckdbType::kVarchar},        {"anchor_count", DuckdbType::kUinteger},
    {"first_seen", DuckdbType::kTimestampTz}, {"last_seen", DuckdbType::kTimestampTz},
    {"event_count", DuckdbType::kUinteger},
};

constexpr uint32_t kChunkRows = 2048;
constexpr uint64_t kUnitProfiles = 64 * kChunkRows;

struct ProfileScan {
  MappedArray heads, records, times;
  PublicIds ids;
  IdentifierValues identifiers;
  uint64_t count = 0;    // ordinals below it are published
  uint64_t anchors = 0;  // that the arrays have room for
  std::vector<idx_t> projected;
  std::atomic<uint64_t> next{0};

  const AnchorRecord& record(uint32_t anchor) const { return records.As<AnchorRecord>()[anchor]; }
  uint32_t HeadOf(uint32_t profile) const {
    uint32_t head = heads.As<uint32_t>()[profile] & kOrdinalMask;
    return head < anchors ? head : 0;
  }
  uint32_t NextOf(uint32_t anchor) const {
    uint32_t next = record(anchor).next & kOrdinalMask;
    return next < anchors ? next : 0;
  }
};

struct ProfileWorker {
  uint64_t next = 0;
  uint64_t end = 0;
  uint32_t profiles[kChunkRows];  // the live ones of a chunk
  uint32_t count = 0;
  struct {
    int64_t first, last;
    uint32_t events;
  } activity[kChunkRows];  // of those, once a column asks for it
};

void BindProfiles(DuckdbBindInfo info) {
  for (const auto& column : kProfileColumns) {
    LogicalType type(column.type);
    duckdb.bind_add_result_column(info, column.name, type.get());
  }
  duckdb.bind_set_cardinality(info, HotDirectory::Instance().Array("profile_heads").count(), false);
}

void InitProfiles(DuckdbInitInfo info) {
  HotDirectory& directory = HotDirectory::Instance();
  auto scan = std::make_unique<ProfileScan>();
  scan->heads = directory.Array("profile_heads");
  scan->records = directory.Array("anchor_records");
  scan->times = directory.Array("anchor_times");
  scan->count = std::min(scan->heads.count(), scan->heads.CapacityOf(4));
  // Both are arrays of 32-bit words: three and four an anchor.
  scan->anchors = std::min(scan->records.CapacityOf(4) / 3, scan->times.CapacityOf(4) / 4);
  for (idx_t output = 0; output < duckdb.init_get_column_count(info); output += 1) {
    scan->projected.push_back(duckdb.init_get_column_index(info, output));
  }
  duckdb.init_set_max_threads(info, scan->count / kUnitProfiles + 1);
  duckdb.init_set_init_data(info, scan.release(),
                            [](void* data) { delete static_cast<ProfileScan*>(data); });
}

void InitProfileWorker(DuckdbInitInfo info) {
  duckdb.init_set_init_data(info, new ProfileWorker(),
                            [](void* data) { delete static_cast<ProfileWorker*>(data); });
}

// Collects the live profiles of the next chunk that has any. False when the scan is over.
bool NextProfiles(ProfileScan& scan, ProfileWorker& worker) {
  const uint32_t* heads = scan.count == 0 ? nullptr : scan.heads.As<uint32_t>();
  for (;;) {
    if (worker.next == worker.end) {
      worker.next = scan.next.fetch_add(kUnitProfiles, std::memory_order_relaxed);
      if (worker.next >= scan.count) {
        worker.next = worker.end = 0;
        return false;
      }
      worker.end = std::min(worker.next + kUnitProfiles, scan.count);
    }
    uint64_t end = std::min<uint64_t>(worker.next + kChunkRows, worker.end);
    worker.count = 0;
    for (uint64_t profile = std::max<uint64_t>(worker.next, 1); profile < end; profile += 1) {
      if (heads[profile] >> kOrdinalBits > 0) worker.profiles[worker.count++] = static_cast<uint32_t>(profile);
    }
    worker.next = end;
    if (worker.count > 0) return true;
  }
}

void FillUserIds(DuckdbVector vector, const ProfileScan& scan, const ProfileWorker& worker) {
  auto* out = static_cast<DuckdbString*>(duckdb.vector_get_data(vector));
  uint64_t* validity = WritableValidity(vector);
  for (uint32_t row = 0; row < worker.count; row += 1) {
    uint32_t head = scan.HeadOf(worker.profiles[row]);
    bool is_user = head != 0 && TypeOf(scan.record(head)) == kUserIdType;
    uint32_t node = is_user ? scan.record(head).node & kOrdinalMask : 0;
    if (!scan.identifiers.Find(node, &out[row])) SetNull(validity, row);
  }
}

// A ring that is being changed may lead astray for a moment, so a walk never takes more steps than a
// profile has anchors at most, and none outside the arrays: LIMITS.profileAnchorsMax.
constexpr uint32_t kStepsMax = 10000;

void FillAnchorCounts(DuckdbVector vector, const ProfileScan& scan, const ProfileWorker& worker) {
  auto* out = static_cast<uint32_t*>(duckdb.vector_get_data(vector));
  for (uint32_t row = 0; row < worker.count; row += 1) {
    uint32_t profile = worker.profiles[row];
    uint32_t count = scan.heads.As<uint32_t>()[profile] >> kOrdinalBits;
    uint32_t head = scan.HeadOf(profile);
    if (count == kSizeMany && head != 0) {
      count = 1;
      for (uint32_t anchor = scan.NextOf(head); anchor != head && anchor != 0 && count < kStepsMax;
           anchor = scan.NextOf(anchor)) {
        count += 1;
      }
    }
    out[row] = count;
  }
}

// Adds up the anchors of each profile.
void AddUpActivity(const ProfileScan& scan, ProfileWorker& worker) {
  for (uint32_t row = 0; row < worker.count; row += 1) {
    auto& activity = worker.activity[row];
    activity = {};
    const uint32_t head = scan.HeadOf(worker.profiles[row]);
    uint32_t anchor = head;
    for (uint32_t steps = 0; anchor != 0 && steps < kStepsMax; steps += 1) {
      const AnchorRecord& record = scan.record(anchor);
      const AnchorTimes& times = scan.times.As<AnchorTimes>()[anchor];
      if (record.events > 0) {
        bool is_first = activity.events == 0;
        activity.first = is_first ? times.first : std::min(activity.first, times.first);
        activity.last = is_first ? times.last : std::max(activity.last, times.last);
        activity.events += record.events;
      }
      anchor = scan.NextOf(anchor);
      if (anchor == head) break;
    }
  }
}

void FillActivity(DuckdbVector vector, idx_t column, const ProfileWorker& worker) {
  void* out = duckdb.vector_get_data(vector);
  uint64_t* validity = column == kEventCount ? nullptr : WritableValidity(vector);
  for (uint32_t row = 0; row < worker.count; row += 1) {
    const auto& activity = worker.activity[row];
    if (column == kEventCount) {
      static_cast<uint32_t*>(out)[row] = activity.events;
    } else if (activity.events == 0) {
      SetNull(validity, row);  // linked by an operator before it did anything
    } else {
      static_cast<int64_t*>(out)[row] = column == kFirstSeen ? activity.first : activity.last;
    }
  }
}

void FillProfileColumn(DuckdbVector vector, idx_t column, const ProfileScan& scan,
                       const ProfileWorker& worker) {
  switch (column) {
    case kProfile:
      memcpy(duckdb.vector_get_data(vector), worker.profiles, worker.count * sizeof(uint32_t));
      return;
    case kPublicId: {
      auto* out = static_cast<DuckdbHugeint*>(duckdb.vector_get_data(vector));
      for (uint32_t row = 0; row < worker.count; row += 1) {
        out[row] = scan.ids.Of(worker.profiles[row]);
      }
      return;
    }
    case kUserId: return FillUserIds(vector, scan, worker);
    case kAnchorCount: return FillAnchorCounts(vector, scan, worker);
    case kFirstSeen:
    case kLastSeen:
    case kEventCount: return FillActivity(vector, column, worker);
    // A row id, which nothing reads.
    default: memset(WritableValidity(vector), 0, kChunkRows / 8);
  }
}

void ProduceProfiles(DuckdbFunctionInfo info, DuckdbChunk chunk) {
  auto& scan = *static_cast<ProfileScan*>(duckdb.function_get_init_data(info));
  auto& worker = *static_cast<ProfileWorker*>(duckdb.function_get_local_init_data(info));
  if (!NextProfiles(scan, worker)) return duckdb.data_chunk_set_size(chunk, 0);
  for (idx_t column : scan.projected) {
    if (column < kFirstSeen || column > kEventCount) continue;
    AddUpActivity(scan, worker);
    break;
  }
  for (idx_t output = 0; output < scan.projected.size(); output += 1) {
    FillProfileColumn(duckdb.data_chunk_get_vector(chunk, output), scan.projected[output], scan, worker);
  }
  duckdb.data_chunk_set_size(chunk, worker.count);
}

bool RegisterProfiles(DuckdbConnection connection) {
  DuckdbTableFunction function = duckdb.create_table_function();
  duckdb.table_function_set_name(function, "hot_profiles");
  duckdb.table_function_set_bind(function, BindProfiles);
  duckdb.table_function_set_init(function, InitProfiles);
  duckdb.table_function_set_local_init(function, InitProfileWorker);
  duckdb.table_function_set_function(function, ProduceProfiles);
  duckdb.table_function_supports_projection_pushdown(function, true);
  bool registered = duckdb.register_table_function(connection, function) == DuckdbState::kSuccess;
  duckdb.destroy_table_function(&function);
  return registered;
}

}  // namespace

bool RegisterFunctions(DuckdbConnection connection) {
  return RegisterScalar(connection, "profile_of", DuckdbType::kUinteger, ProfileOf) &&
         RegisterScalar(connection, "profile_id", DuckdbType::kUuid, ProfileId) &&
         RegisterScalar(connection, "identifier_value", DuckdbType::kVarchar, IdentifierValue) &&
         RegisterScalar(connection, "identifier_type", DuckdbType::kVarchar, IdentifierType) &&
         RegisterProfiles(connection);
}

}  // namespace tributary
