// The layout of hot segments, the table registry and shared arrays, as C++ sees it.
// docs/format.md is the description; storage/segment-format.ts is the same layout in TypeScript, and
// tests/native/segment-format.test.ts holds the two against each other. Little-endian throughout.
//
// Concurrency: one writer process appends, any number of reader processes map the files read-only.
// A row becomes visible when the registry's published_rows is raised above it (release store);
// everything the row needs (values, heap bytes, dictionary entries, mask bit) was written before.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tributary {

constexpr uint32_t kFormatVersion = 1;
constexpr uint64_t kPageBytes = 4096;

// ── segment file ─────────────────────────────────────────────────────────────────────────────────
constexpr char kSegmentMagic[8] = {'T', 'R', 'I', 'B', 'S', 'E', 'G', 0};

enum class ColumnType : uint8_t {
  kInt64 = 1,
  kUint64 = 2,
  kUint32 = 3,
  kFloat64 = 4,
  kTimestampMicros = 5,  // int64, microseconds since 1970-01-01T00:00:00Z
  kUtf8 = 6,             // u32 offsets[row_capacity + 1] into the heap
  kJson = 7,             // as kUtf8; the text is valid JSON
  kDictionary = 8,       // u32 codes into an append-only dictionary of UTF-8 strings
};

// Descriptors start at kPageBytes, one after another; the buffers they point at follow, page-aligned.
// Offsets are bytes from the start of the file.
struct ColumnDescriptor {
  char name[48];                 // UTF-8, NUL-padded
  ColumnType type;
  uint8_t padding[3];
  uint32_t null_count;           // of staged rows; 0 lets a reader skip the validity bitmap
  uint64_t validity_offset;      // bitmap, bit = 1: the row has a value (Arrow's order)
  uint64_t values_offset;
  uint64_t heap_offset;          // kUtf8, kJson, kDictionary: string bytes
  uint64_t heap_capacity;
  uint64_t heap_used;
  uint64_t dictionary_offset;    // kDictionary: u32 offsets[dictionary_capacity + 1] into the heap
  uint32_t dictionary_capacity;
  uint32_t dictionary_count;
  int64_t min;                   // of staged non-null values; kInt64 and kTimestampMicros only.
  int64_t max;                   // min > max while there are none
};
static_assert(sizeof(ColumnDescriptor) == 128, "part of the format");
static_assert(offsetof(ColumnDescriptor, min) == 112, "part of the format");

struct SegmentHeader {
  char magic[8];
  uint32_t format_version;
  uint32_t column_count;
  uint64_t segment_id;
  uint64_t first_row;            // the table-wide number of row 0
  uint32_t row_capacity;
  uint32_t sealed;               // 1 once no row will be added
  uint32_t staged_rows;          // rows written, published or not; owned by the writer
  uint32_t schema_id;
  uint64_t mask_offset;          // bitmap, bit = 1: the row is hidden (duplicate, rejected, erased)
  uint32_t hidden_count;         // bits set in the mask; 0 lets a reader skip it
  uint32_t reserved;
  uint64_t file_bytes;           // reserved length of the file
};
static_assert(sizeof(SegmentHeader) == 72, "part of the format");

// ── registry file: which segments make up which table ────────────────────────────────────────────
constexpr char kRegistryMagic[8] = {'T', 'R', 'I', 'B', 'R', 'E', 'G', 0};
constexpr uint32_t kTablesMax = 16;
constexpr uint32_t kTableSegmentsMax = 16384;

struct RegistryHeader {          // at 0; table entries start at kPageBytes
  char magic[8];
  uint32_t format_version;
  uint32_t table_count;          // raised last (release) when a table is added
};

struct RegistrySegment {         // the file is <table>-<segment_id>.seg beside the registry
  uint64_t segment_id;
  uint64_t first_row;
};

// A reader takes a snapshot so: load published_rows (acquire); then copy the segment list, the floor and
// the cold version under the generation (a seqlock: odd while they change, so copy, and take them again
// when the generation was odd or has moved). Rows of a listed segment at or above published_rows are
// not visible, and rows below floor_row are those of the cold files that the cold version names.
struct RegistryTable {
  char name[48];                 // UTF-8, NUL-padded
  uint64_t generation;
  uint64_t published_rows;       // table-wide row numbers below this one are visible
  uint32_t segment_count;
  uint32_t schema_id;
  uint64_t floor_row;            // rows below it are in cold files, not here
  uint64_t cold_version;         // of the list of cold files, <table>-<version>.cold; 0: there are none
  uint8_t padding[40];
  RegistrySegment segments[kTableSegmentsMax];
};
static_assert(offsetof(RegistryTable, segments) == 128, "part of the format");
constexpr uint64_t kRegistryBytes = kPageBytes + kTablesMax * sizeof(RegistryTable);

// ── shared array file: one dense column of fixed-size elements ──────────────────────────────────
constexpr char kArrayMagic[8] = {'T', 'R', 'I', 'B', 'A', 'R', 'R', 0};

struct ArrayHeader {             // at 0; elements start at kPageBytes
  char magic[8];
  uint32_t format_version;
  uint32_t element_bytes;
  uint64_t published_count;      // elements below it are visible (release store)
};

// The shared arrays of identity that readers use (files <name>.array beside the registry).
// Ordinal 0 is never given: it means "none".
//   profile_of        u32   [anchor]  -> profile
//   profile_key       16 B  one element: what public ids are made with (profile_id_cipher.h)
//   profile_heads     u32   [profile] -> an anchor of its ring, that of a user_id if there is one; above it
//                                        min(anchors, 15), 0 when it became part of another
//   anchor_records    12 B  [anchor]  -> AnchorRecord
//   anchor_times      16 B  [anchor]  -> AnchorTimes
//   anchor_minutes     8 B  [mark]    -> MinuteMark: when anchors were opened
//   node_anchors      u32   [node]    -> the anchor that takes its events, and NodeWord bits
//   identifier_types  64 B  [type]    -> name, ended by a zero
//   node_values, identifier_values: node_values.h
//   trait_heads, trait_cells, trait_texts: trait_format.h
// profile_heads publishes the count of profiles, profile_of that of anchors; a reader takes these as the
// numbers for all profile_* and anchor_*.

// What is counted is counted per anchor; a profile adds its anchors up. Shared with identity/profile-store.ts.
struct AnchorRecord {
  uint32_t events;
  uint32_t next;                 // anchor of the ring; above it the high bits of the type
  uint32_t node;                 // above it the low bits of the type
};
constexpr uint32_t kOrdinalBits = 28;
constexpr uint32_t kOrdinalMask = (1u << kOrdinalBits) - 1;
constexpr uint32_t kSizeMany = 15;  // of profile_heads: so many anchors or more

inline uint32_t TypeOf(const AnchorRecord& record) {
  return record.next >> kOrdinalBits << 4 | record.node >> kOrdinalBits;
}

struct AnchorTimes {
  int64_t first, last;           // microseconds; valid with events > 0
};

// Things from `first` on, up to the next mark, came in this minute since 1970.
struct MinuteMark {
  uint32_t first;
  uint32_t minute;
};

// Shared with identity/node-words.ts.
enum NodeWord : uint32_t {
  kNodeAnchorMask = (1u << 28) - 1,
  kNodeClosed = 1u << 28,
  kNodeBlocked = 1u << 30,
};

}  // namespace tributary
