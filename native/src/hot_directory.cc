#include "hot_directory.h"

#include <fcntl.h>
#include <napi.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tributary {

namespace {

constexpr char kRegistryFile[] = "tables.registry";
constexpr uint32_t kColumnsMax = 256;
constexpr uint32_t kSegmentRowsMax = 122880;
constexpr uint32_t kDictionaryEntriesMax = 65536;
// A list changes once in many thousand rows and for nanoseconds; the limits are for a dead writer.
constexpr int kSeqlockTriesMax = 100000;
constexpr int kSnapshotTriesMax = 1000;

std::string NameOf(const char (&name)[48]) { return std::string(name, strnlen(name, sizeof name)); }

uint32_t ValueBytes(ColumnType type) {
  switch (type) {
    case ColumnType::kInt64:
    case ColumnType::kUint64:
    case ColumnType::kFloat64:
    case ColumnType::kTimestampMicros:
      return 8;
    case ColumnType::kUint32:
    case ColumnType::kUtf8:
    case ColumnType::kJson:
    case ColumnType::kDictionary:
      return 4;
  }
  return 0;
}

// Copies the segment list of a table, its floor and its cold version as they stood at one moment.
bool CopyList(const RegistryTable* table, std::vector<RegistrySegment>* list, Snapshot* snapshot) {
  for (int attempt = 0; attempt < kSeqlockTriesMax; attempt += 1) {
    uint64_t before = __atomic_load_n(&table->generation, __ATOMIC_ACQUIRE);
    if (before % 2 == 0) {
      uint32_t count = __atomic_load_n(&table->segment_count, __ATOMIC_RELAXED);
      count = std::min(count, kTableSegmentsMax);
      list->assign(table->segments, table->segments + count);
      snapshot->floor_row = __atomic_load_n(&table->floor_row, __ATOMIC_RELAXED);
      snapshot->cold_version = __atomic_load_n(&table->cold_version, __ATOMIC_RELAXED);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (__atomic_load_n(&table->generation, __ATOMIC_RELAXED) == before) return true;
    }
    sched_yield();
  }
  return false;
}

}  // namespace

// ── files ────────────────────────────────────────────────────────────────────────────────────────

std::shared_ptr<const Mapping> Mapping::Open(const std::string& path, int* error_number) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    *error_number = errno;
    return nullptr;
  }
  return MapAndClose(fd, error_number);
}

std::shared_ptr<const Mapping> Mapping::OpenLocked(const std::string& path, int* error_number) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat opened, named;
  bool is_locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0;
  if (is_locked && fstat(fd, &opened) == 0 && stat(path.c_str(), &named) == 0) {
    if (opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) {
      return MapAndClose(fd, error_number);
    }
    errno = ENOENT;
  }
  *error_number = errno == EWOULDBLOCK ? ENOENT : errno;
  if (fd >= 0) close(fd);
  return nullptr;
}

std::shared_ptr<const Mapping> Mapping::MapAndClose(int fd, int* error_number) {
  struct stat status;
  void* data = MAP_FAILED;
  errno = EINVAL;
  if (fstat(fd, &status) == 0 && status.st_size > 0) {
    data = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_SHARED, fd, 0);
  }
  *error_number = errno;
  close(fd);
  if (data == MAP_FAILED) return nullptr;
  return std::shared_ptr<const Mapping>(
      new Mapping(static_cast<const uint8_t*>(data), static_cast<uint64_t>(status.st_size)));
}

Mapping::~Mapping() { munmap(const_cast<uint8_t*>(data_), bytes_); }

uint32_t SegmentColumn::dictionary_count() const {
  return std::min(__atomic_load_n(&live->dictionary_count, __ATOMIC_ACQUIRE), dictionary_capacity);
}

uint32_t Segment::staged_rows() const {
  return std::min(__atomic_load_n(&header_->staged_rows, __ATOMIC_ACQUIRE), row_capacity_);
}

int Segment::Find(const std::string& name) const {
  for (size_t index = 0; index < columns_.size(); index += 1) {
    if (columns_[index].name == name) return static_cast<int>(index);
  }
  return -1;
}

std::shared_ptr<const Segment> Segment::Open(const std::string& path, std::string* failure) {
  int error_number = 0;
  std::shared_ptr<const Mapping> mapping = Mapping::OpenLocked(path, &error_number);
  if (!mapping) {
    *failure = error_number == ENOENT ? "" : strerror(error_number);
    return nullptr;
  }
  std::shared_ptr<Segment> segment(new Segment());
  segment->mapping_ = mapping;
  *failure = segment->Check();
  if (!failure->empty()) return nullptr;
  return segment;
}

// Interprets the header, and proves every buffer to lie in the file. Returns "" or what is wrong.
std::string Segment::Check() {
  const Mapping& file = *mapping_;
  if (!file.Holds(0, kPageBytes)) return "the file is shorter than its header";
  header_ = reinterpret_cast<const SegmentHeader*>(file.data());
  if (memcmp(header_->magic, kSegmentMagic, sizeof kSegmentMagic) != 0) return "not a segment";
  if (header_->format_version != kFormatVersion) return "a segment of another version";
  row_capacity_ = header_->row_capacity;
  if (row_capacity_ == 0 || row_capacity_ > kSegmentRowsMax) return "its row capacity is impossible";
  uint32_t column_count = header_->column_count;
  if (column_count == 0 || column_count > kColumnsMax) return "its column count is impossible";
  if (!file.Holds(kPageBytes, column_count * sizeof(ColumnDescriptor))) return "columns are cut off";

  auto lies_in = [&file](uint64_t offset, uint64_t bytes) {
    return offset % 8 == 0 && file.Holds(offset, bytes);
  };
  uint64_t bitmap_bytes = (row_capacity_ + 63) / 64 * 8;
  uint64_t mask_offset = header_->mask_offset;
  if (!lies_in(mask_offset, bitmap_bytes)) return "its mask lies outside the file";
  mask_ = reinterpret_cast<const uint64_t*>(file.data() + mask_offset);

  const auto* descriptors = reinterpret_cast<const ColumnDescriptor*>(file.data() + kPageBytes);
  columns_.reserve(column_count);
  for (uint32_t index = 0; index < column_count; index += 1) {
    const ColumnDescriptor& live = descriptors[index];
    const ColumnDescriptor fixed = live;
    uint64_t value_bytes = ValueBytes(fixed.type);
    bool has_heap = fixed.type == ColumnType::kUtf8 || fixed.type == ColumnType::kJson ||
                    fixed.type == ColumnType::kDictionary;
    bool has_dictionary = fixed.type == ColumnType::kDictionary;
    uint64_t value_count = row_capacity_ + (has_heap && !has_dictionary ? 1 : 0);
    if (value_bytes == 0) return "a column has an unknown type";
    if (!lies_in(fixed.validity_offset, bitmap_bytes) ||
        !lies_in(fixed.values_offset, value_count * value_bytes)) {
      return "a column lies outside the file";
    }
    if (has_heap && (fixed.heap_capacity > UINT32_MAX ||
                     !lies_in(fixed.heap_offset, fixed.heap_capacity))) {
      return "a heap lies outside the file";
    }
    if (has_dictionary &&
        (fixed.dictionary_capacity > kDictionaryEntriesMax ||
         !lies_in(fixed.dictionary_offset, 4 * (uint64_t{fixed.dictionary_capacity} + 1)))) {
      return "a dictionary lies outside the file";
    }
    SegmentColumn column;
    column.name = NameOf(fixed.name);
    column.type = fixed.type;
    column.validity = reinterpret_cast<const uint64_t*>(file.data() + fixed.validity_offset);
    column.values = file.data() + fixed.values_offset;
    column.heap = reinterpret_cast<const char*>(file.data() + (has_heap ? fixed.heap_offset : 0));
    column.heap_capacity = has_heap ? static_cast<uint32_t>(fixed.heap_capacity) : 0;
    column.dictionary_offsets = reinterpret_cast<const uint32_t*>(
        file.data() + (has_dictionary ? fixed.dictionary_offset : 0));
    column.dictionary_capacity = has_dictionary ? fixed.dictionary_capacity : 0;
    column.live = &live;
    columns_.push_back(column);
  }
  return "";
}

MappedArray::MappedArray(std::shared_ptr<const Mapping> mapping) {
  if (!mapping->Holds(0, kPageBytes)) return;
  const auto* header = reinterpret_cast<const ArrayHeader*>(mapping->data());
  if (memcmp(header->magic, kArrayMagic, sizeof kArrayMagic) != 0) return;
  if (header->format_version != kFormatVersion) return;
  uint32_t element_bytes = header->element_bytes;
  if (element_bytes == 0) return;
  mapping_ = std::move(mapping);
  element_bytes_ = element_bytes;
  capacity_ = (mapping_->bytes() - kPageBytes) / element_bytes;
}

uint64_t MappedArray::count() const {
  if (!mapping_) return 0;
  const auto* header = reinterpret_cast<const ArrayHeader*>(mapping_->data());
  return std::min(__atomic_load_n(&header->published_count, __ATOMIC_ACQUIRE), capacity_);
}

// ── the directory ────────────────────────────────────────────────────────────────────────────────

HotDirectory& HotDirectory::Instance() {
  // Never destroyed: DuckDB's threads may still scan while the process exits.
  static HotDirectory* instance = new HotDirectory();
  return *instance;
}

std::string HotDirectory::Open(const std::string& path) {
  int error_number = 0;
  std::shared_ptr<const Mapping> registry = Mapping::Open(path + "/" + kRegistryFile, &error_number);
  if (!registry) return std::string("the registry cannot be mapped: ") + strerror(error_number);
  if (registry->bytes() < kRegistryBytes) return "the registry is cut off";
  const auto* header = reinterpret_cast<const RegistryHeader*>(registry->data());
  if (memcmp(header->magic, kRegistryMagic, sizeof kRegistryMagic) != 0) return "not a registry";
  if (header->format_version != kFormatVersion) return "a registry of another version";

  std::lock_guard<std::mutex> lock(mutex_);
  path_ = path;
  registry_ = registry;
  tables_.clear();
  held_.clear();
  arrays_.clear();
  bounds_.clear();
  return "";
}

const RegistryTable* HotDirectory::FindTable(const std::string& table) const {
  const auto* header = reinterpret_cast<const RegistryHeader*>(registry_->data());
  uint32_t count = std::min(__atomic_load_n(&header->table_count, __ATOMIC_ACQUIRE), kTablesMax);
  const auto* entries = reinterpret_cast<const RegistryTable*>(registry_->data() + kPageBytes);
  for (uint32_t slot = 0; slot < count; slot += 1) {
    if (NameOf(entries[slot].name) == table) return &entries[slot];
  }
  return nullptr;
}

std::string HotDirectory::Pin(const std::string& table, Snapshot* snapshot) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto held = held_.find(table);
  if (held == held_.end()) return TakeNewest(table, snapshot);
  *snapshot = held->second;
  return "";
}

std::string HotDirectory::Hold(const std::string& table, Snapshot* snapshot) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string failure = TakeNewest(table, snapshot);
  if (failure.empty()) held_[table] = *snapshot;
  return failure;
}

std::string HotDirectory::HoldSlices(const std::string& name,
                                     const std::vector<SegmentSlice>& slices) {
  if (slices.empty()) return "there are no segments to hold";
  Snapshot snapshot;
  for (const SegmentSlice& slice : slices) {
    std::string failure;
    std::shared_ptr<const Segment> segment = Segment::Open(slice.path, &failure);
    if (!segment) return slice.path + ": " + (failure.empty() ? strerror(ENOENT) : failure);
    if (slice.begin >= slice.end || slice.end > segment->staged_rows()) {
      return slice.path + ": it does not have these rows";
    }
    snapshot.segments.push_back({segment, snapshot.published_rows, slice.begin, slice.end});
    snapshot.published_rows += slice.end - slice.begin;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  held_[name] = std::move(snapshot);
  return "";
}

void HotDirectory::Release() {
  std::lock_guard<std::mutex> lock(mutex_);
  held_.clear();
}

std::string HotDirectory::TakeNewest(const std::string& table, Snapshot* snapshot) {
  if (!registry_) return "no hot directory is open";
  const RegistryTable* entry = FindTable(table);
  if (entry == nullptr) return "there is no hot table " + table;

  std::vector<RegistrySegment> listed;
  for (int attempt = 0; attempt < kSnapshotTriesMax; attempt += 1) {
    snapshot->published_rows = __atomic_load_n(&entry->published_rows, __ATOMIC_ACQUIRE);
    if (!CopyList(entry, &listed, snapshot)) return "the segment list of " + table + " does not settle";
    std::string failure;
    if (OpenListed(table, listed, snapshot, &failure)) return failure;
  }
  return "segments of " + table + " are listed but missing";
}

bool HotDirectory::OpenListed(const std::string& table, const std::vector<RegistrySegment>& listed,
                              Snapshot* snapshot, std::string* failure) {
  TableCache& cache = tables_[table];
  std::map<uint64_t, std::shared_ptr<const Segment>> current;
  snapshot->segments.clear();
  for (const RegistrySegment& entry : listed) {
    std::shared_ptr<const Segment> segment;
    auto known = cache.segments.find(entry.segment_id);
    if (known != cache.segments.end()) {
      segment = known->second;
    } else {
      std::string name = table + "-" + std::to_string(entry.segment_id) + ".seg";
      segment = Segment::Open(path_ + "/" + name, failure);
      if (!segment && failure->empty()) return false;
      if (!segment) {
        *failure = "hot segment " + name + ": " + *failure;
        return true;
      }
    }
    current[entry.segment_id] = segment;
    uint64_t published = snapshot->published_rows;
    uint64_t rows = published > entry.first_row ? published - entry.first_row : 0;
    rows = std::min<uint64_t>(rows, segment->staged_rows());
    uint64_t floor = snapshot->floor_row;
    uint64_t begin = std::min(floor > entry.first_row ? floor - entry.first_row : 0, rows);
    snapshot->segments.push_back(
        {segment, entry.first_row, static_cast<uint32_t>(begin), static_cast<uint32_t>(rows)});
  }
  if (listed.empty()) *failure = "the hot table " + table + " has no segment";
  cache.segments = std::move(current);
  return true;
}

MappedArray HotDirectory::Array(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto known = arrays_.find(name);
  if (known != arrays_.end()) return known->second;
  int error_number = 0;
  std::shared_ptr<const Mapping> mapping = Mapping::Open(path_ + "/" + name + ".array", &error_number);
  if (!mapping) return MappedArray();
  // Kept only once its header is complete: the file may be caught while it is being made.
  MappedArray array(mapping);
  if (array.exists()) arrays_[name] = array;
  return array;
}

void HotDirectory::SetBound(const ScanBound& bound) {
  std::lock_guard<std::mutex> lock(mutex_);
  bounds_.push_back(bound);
}

void HotDirectory::ClearBounds() {
  std::lock_guard<std::mutex> lock(mutex_);
  bounds_.clear();
}

std::vector<ScanBound> HotDirectory::BoundsOf(const std::string& table) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<ScanBound> bounds;
  for (const ScanBound& bound : bounds_) {
    if (bound.table == table) bounds.push_back(bound);
  }
  return bounds;
}

// ── JavaScript ───────────────────────────────────────────────────────────────────────────────────

namespace {

Napi::Value OpenHotDirectory(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), HotDirectory::Instance().Open(info[0].ToString()));
}

void SetScanBound(const Napi::CallbackInfo& info) {
  if (!info[2].IsBigInt() || !info[3].IsBigInt()) {
    Napi::TypeError::New(info.Env(), "min and max are bigints").ThrowAsJavaScriptException();
    return;
  }
  bool lossless = true;
  int64_t min = info[2].As<Napi::BigInt>().Int64Value(&lossless);
  int64_t max = info[3].As<Napi::BigInt>().Int64Value(&lossless);
  HotDirectory::Instance().SetBound({info[0].ToString(), info[1].ToString(), min, max});
}

void ClearScanBounds(const Napi::CallbackInfo&) { HotDirectory::Instance().ClearBounds(); }

// holdTable(table): the snapshot that scans of the table see until releaseTables.
Napi::Value HoldTable(const Napi::CallbackInfo& info) {
  Snapshot snapshot;
  std::string failure = HotDirectory::Instance().Hold(info[0].ToString(), &snapshot);
  if (!failure.empty()) return Napi::String::New(info.Env(), failure);
  Napi::Object held = Napi::Object::New(info.Env());
  held.Set("coldVersion", static_cast<double>(snapshot.cold_version));
  held.Set("floorRow", static_cast<double>(snapshot.floor_row));
  held.Set("publishedRows", static_cast<double>(snapshot.published_rows));
  return held;
}

// holdSlices(name, slices): "" or why not.
Napi::Value HoldSlices(const Napi::CallbackInfo& info) {
  Napi::Array slices = info[1].As<Napi::Array>();
  std::vector<SegmentSlice> held;
  for (uint32_t index = 0; index < slices.Length(); index += 1) {
    Napi::Object slice = slices.Get(index).As<Napi::Object>();
    held.push_back({slice.Get("path").ToString(), slice.Get("fromRow").ToNumber().Uint32Value(),
                    slice.Get("toRow").ToNumber().Uint32Value()});
  }
  std::string name = info[0].ToString();
  return Napi::String::New(info.Env(), HotDirectory::Instance().HoldSlices(name, held));
}

void ReleaseTables(const Napi::CallbackInfo&) { HotDirectory::Instance().Release(); }

Napi::Value TakeScanCounts(const Napi::CallbackInfo& info) {
  ScanCounts& counts = HotDirectory::Instance().counts();
  Napi::Object taken = Napi::Object::New(info.Env());
  taken.Set("segmentsScanned", static_cast<double>(counts.segments_scanned.exchange(0)));
  taken.Set("segmentsSkipped", static_cast<double>(counts.segments_skipped.exchange(0)));
  taken.Set("rowsScanned", static_cast<double>(counts.rows_scanned.exchange(0)));
  return taken;
}

}  // namespace

void InitHotDirectory(Napi::Env env, Napi::Object exports) {
  exports.Set("openHotDirectory", Napi::Function::New(env, OpenHotDirectory, "openHotDirectory"));
  exports.Set("holdTable", Napi::Function::New(env, HoldTable, "holdTable"));
  exports.Set("holdSlices", Napi::Function::New(env, HoldSlices, "holdSlices"));
  exports.Set("releaseTables", Napi::Function::New(env, ReleaseTables, "releaseTables"));
  exports.Set("setScanBound", Napi::Function::New(env, SetScanBound, "setScanBound"));
  exports.Set("clearScanBounds", Napi::Function::New(env, ClearScanBounds, "clearScanBounds"));
  exports.Set("takeScanCounts", Napi::Function::New(env, TakeScanCounts, "takeScanCounts"));
}

}  // namespace tributary
