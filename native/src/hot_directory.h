// The reader's side of all hot data: maps the registry, the segments and the shared arrays of one
// tenant's hot directory read-only, and pins snapshots of tables for scans.
//
// A process reads one directory (a query worker belongs to one tenant), so there is one instance.
//
// - Everything read from a file is checked against the file's length before it is used as an offset
//   or a count; a file that does not hold together is an error of the query, never a crash.
// - A mapping lives as long as somebody shares it: a scan keeps its segments although the writer has
//   removed their files meanwhile.
// - A mapped segment is locked (a shared flock), so that the writer does not use its file again (region.h).
// - Counters that the writer moves on (staged_rows, null_count, …) are read after published_rows, so
//   they cover every row that a snapshot shows.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "segment_format.h"

namespace tributary {

// A whole file, mapped read-only; unmapped by its last owner.
class Mapping {
 public:
  // nullptr when the file cannot be mapped; *error_number says why.
  static std::shared_ptr<const Mapping> Open(const std::string& path, int* error_number);
  // As Open, and holds a shared flock for as long as the mapping: the kernel ends it with the last reference
  // to the opened file, of which the mapping is one. ENOENT also when the writer takes or took the file for
  // another life (region.h): what it takes is renamed under the exclusive lock, so a file that is locked
  // here and still has its name is the one that was asked for.
  static std::shared_ptr<const Mapping> OpenLocked(const std::string& path, int* error_number);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const uint8_t* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }
  // Whether [offset, offset + bytes) lies in the file.
  bool Holds(uint64_t offset, uint64_t bytes) const {
    return offset <= bytes_ && bytes <= bytes_ - offset;
  }

 private:
  Mapping(const uint8_t* data, uint64_t bytes) : data_(data), bytes_(bytes) {}
  static std::shared_ptr<const Mapping> MapAndClose(int fd, int* error_number);
  const uint8_t* data_;
  uint64_t bytes_;
};

// One column of a mapped segment: checked copies of what never changes, and the live counters.
struct SegmentColumn {
  std::string name;
  ColumnType type;
  const uint64_t* validity;      // one bit a row, 64 rows a word
  const uint8_t* values;         // row_capacity values, or row_capacity + 1 string offsets
  const char* heap;
  uint32_t heap_capacity;
  const uint32_t* dictionary_offsets;
  uint32_t dictionary_capacity;
  const ColumnDescriptor* live;

  uint32_t null_count() const { return __atomic_load_n(&live->null_count, __ATOMIC_ACQUIRE); }
  uint32_t dictionary_count() const;
  int64_t min() const { return __atomic_load_n(&live->min, __ATOMIC_RELAXED); }
  int64_t max() const { return __atomic_load_n(&live->max, __ATOMIC_RELAXED); }
};

class Segment {
 public:
  // nullptr when the file is gone (*failure empty) or does not hold together (*failure says why).
  static std::shared_ptr<const Segment> Open(const std::string& path, std::string* failure);

  uint32_t row_capacity() const { return row_capacity_; }
  uint32_t staged_rows() const;
  uint32_t hidden_count() const { return __atomic_load_n(&header_->hidden_count, __ATOMIC_ACQUIRE); }
  const uint64_t* mask() const { return mask_; }
  const std::vector<SegmentColumn>& columns() const { return columns_; }
  // Position of a column, or -1.
  int Find(const std::string& name) const;

 private:
  Segment() = default;
  std::string Check();

  std::shared_ptr<const Mapping> mapping_;
  const SegmentHeader* header_ = nullptr;
  uint32_t row_capacity_ = 0;
  const uint64_t* mask_ = nullptr;
  std::vector<SegmentColumn> columns_;
};

// The rows of one segment that a snapshot shows: [begin, rows).
struct SnapshotSegment {
  std::shared_ptr<const Segment> segment;
  uint64_t first_row;
  uint32_t begin;
  uint32_t rows;
};

// Published rows [begin, end) of a segment file.
struct SegmentSlice {
  std::string path;
  uint32_t begin;
  uint32_t end;
};

// Each row of a table once: the hot ones here, the older ones in the files of the cold version.
struct Snapshot {
  uint64_t published_rows = 0;
  uint64_t floor_row = 0;
  uint64_t cold_version = 0;
  std::vector<SnapshotSegment> segments;  // oldest first; the last one is active
};

// A mapped shared array. Cheap to copy; keeps the file mapped.
class MappedArray {
 public:
  MappedArray() = default;
  explicit MappedArray(std::shared_ptr<const Mapping> mapping);
  // Whether the file is there, and complete.
  bool exists() const { return mapping_ != nullptr; }
  // Elements the file has room for, published or not; 0 when they are not of that size. Readers of
  // arrays that another array counts for (profile_*) take the smaller of the two.
  uint64_t CapacityOf(uint32_t element_bytes) const {
    return element_bytes_ == element_bytes ? capacity_ : 0;
  }
  // Published elements; it only grows.
  uint64_t count() const;
  const uint8_t* elements() const { return mapping_->data() + kPageBytes; }
  template <typename T>
  const T* As() const {
    return reinterpret_cast<const T*>(elements());
  }

 private:
  std::shared_ptr<const Mapping> mapping_;
  uint32_t element_bytes_ = 0;
  uint64_t capacity_ = 0;
};

struct ScanBound {
  std::string table;
  std::string column;
  int64_t min;
  int64_t max;
};

struct ScanCounts {
  std::atomic<uint64_t> segments_scanned{0};
  std::atomic<uint64_t> segments_skipped{0};
  std::atomic<uint64_t> rows_scanned{0};
};

// All methods may be called from any thread.
class HotDirectory {
 public:
  static HotDirectory& Instance();

  // Points the process at a directory. Returns "" or why not.
  std::string Open(const std::string& path);
  // Pins the published rows of a table: the held ones, or the newest. Returns "" or why not.
  std::string Pin(const std::string& table, Snapshot* snapshot);
  // Takes a snapshot that Pin gives to all who ask until Release. Returns "" or why not.
  std::string Hold(const std::string& table, Snapshot* snapshot);
  // Makes rows of segment files, wherever they lie, what Pin gives for `name` until Release. Needs no
  // open directory. Returns "" or why not.
  std::string HoldSlices(const std::string& name, const std::vector<SegmentSlice>& slices);
  void Release();
  // The array of that name; empty when the file is not there (yet).
  MappedArray Array(const std::string& name);

  void SetBound(const ScanBound& bound);
  void ClearBounds();
  std::vector<ScanBound> BoundsOf(const std::string& table);
  ScanCounts& counts() { return counts_; }

 private:
  struct TableCache {
    std::map<uint64_t, std::shared_ptr<const Segment>> segments;  // by segment id
  };

  const RegistryTable* FindTable(const std::string& table) const;
  std::string TakeNewest(const std::string& table, Snapshot* snapshot);
  // False when a listed file is gone: the list is old, take a new one.
  bool OpenListed(const std::string& table, const std::vector<RegistrySegment>& listed,
                  Snapshot* snapshot, std::string* failure);

  std::mutex mutex_;
  std::string path_;
  std::shared_ptr<const Mapping> registry_;
  std::map<std::string, TableCache> tables_;
  std::map<std::string, Snapshot> held_;
  std::map<std::string, MappedArray> arrays_;
  std::vector<ScanBound> bounds_;
  ScanCounts counts_;
};

}  // namespace tributary
