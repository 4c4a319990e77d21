#include "trait_store.h"

#include <algorithm>

#include "json_text.h"

namespace tributary {
namespace {

std::string PathOf(const std::string& directory, const char* name) {
  return directory + "/" + name + ".array";
}

// The value ahead as it stands; passes it.
Slice TakeValue(JsonText* json) {
  bool is_string = json->Peek() == '"';
  Slice value = json->Take();
  return is_string ? Slice{value.data - 1, value.length + 2} : value;
}

}  // namespace

// Where a segment of `events` has what is needed of a row.
struct TraitStore::Columns {
  const ColumnDescriptor *type = nullptr, *anchor = nullptr, *timestamp = nullptr, *traits = nullptr;

  explicit Columns(const SegmentRows& rows) {
    for (uint32_t index = 0; index < rows.column_count(); index += 1) {
      const ColumnDescriptor& column = rows.column(index);
      if (strcmp(column.name, "type") == 0) type = &column;
      if (strcmp(column.name, "anchor") == 0) anchor = &column;
      if (strcmp(column.name, "timestamp") == 0) timestamp = &column;
      if (strcmp(column.name, "traits") == 0) traits = &column;
    }
  }
  bool are_there() const {
    return type != nullptr && anchor != nullptr && timestamp != nullptr && traits != nullptr;
  }
};

std::string TraitStore::Create(const std::string& directory, const TraitCapacities& capacities) {
  std::string failure =
      heads_.Create(PathOf(directory, kTraitHeads), sizeof(uint32_t), capacities.anchors);
  if (failure.empty()) {
    failure = cells_.Create(PathOf(directory, kTraitCells), sizeof(TraitCell), capacities.cells);
  }
  if (failure.empty()) failure = texts_.Create(PathOf(directory, kTraitTexts), capacities.units);
  return failure;
}

void TraitStore::Keep(const std::vector<std::string>& names, bool is_complete) {
  bool is_dropped[kTraitSlotMask + 1] = {};
  auto is_gone = [&](const TraitKey& key) {
    return std::find(names.begin(), names.end(), key.name) == names.end();
  };
  bool drops = false;
  for (const TraitKey& key : keys_) {
    if (!is_gone(key)) continue;
    is_dropped[key.slot] = drops = true;
  }
  keys_.erase(std::remove_if(keys_.begin(), keys_.end(), is_gone), keys_.end());
  for (uint32_t cell = 1; drops && cell < cell_count_; cell += 1) {
    if (is_dropped[SlotOf(CellAt(cell).moment)]) Wipe(&CellAt(cell));
  }
  for (const std::string& name : names) {
    if (SlotOfKey(name) == 0) keys_.push_back({name, NextSlot(), is_complete});
  }
  IndexKeys();
}

void TraitStore::Complete(const std::string& name) {
  for (TraitKey& key : keys_) {
    if (key.name == name) key.is_complete = true;
  }
}

uint32_t TraitStore::SlotOfKey(const std::string& name) const {
  for (const TraitKey& key : keys_) {
    if (key.name == name) return key.slot;
  }
  return 0;
}

// In turn, so that a statement that is still reading a key that was dropped does not read another.
uint8_t TraitStore::NextSlot() {
  auto is_taken = [&] {
    return last_slot_ == 0 || std::any_of(keys_.begin(), keys_.end(), [&](const TraitKey& key) {
             return key.slot == last_slot_;
           });
  };
  do last_slot_ += 1;
  while (is_taken());
  return last_slot_;
}

void TraitStore::IndexKeys() {
  for (auto& keys : by_length_) keys.clear();
  for (const TraitKey& key : keys_) {
    by_length_[std::min<size_t>(key.name.size(), 64)].push_back(&key);
  }
}

uint32_t TraitStore::SlotNamed(const Slice& name) const {
  for (const TraitKey* key : by_length_[std::min<uint32_t>(name.length, 64)]) {
    bool is_same = key->name.size() == name.length &&
                   memcmp(key->name.data(), name.data, name.length) == 0;
    if (is_same) return key->slot;
  }
  return 0;
}

bool TraitStore::Fold(Region* segment, uint32_t row, uint32_t count, uint64_t sequence) {
  if (keys_.empty() || !failure_.empty()) return true;
  SegmentRows rows;
  if (!rows.Attach(segment) || row + count > rows.staged_rows()) return false;
  Columns columns(rows);
  if (!columns.are_there()) return false;
  auto* anchors = reinterpret_cast<const uint32_t*>(segment->base() + columns.anchor->values_offset);
  auto* times = reinterpret_cast<const int64_t*>(segment->base() + columns.timestamp->values_offset);
  for (uint32_t index = 0; index < count; index += 1) {
    uint32_t at = row + index;
    if (!rows.valid(*columns.traits, at) || anchors[at] == 0 || rows.hidden(at)) continue;
    Slice type = rows.dictionary_text(*columns.type, rows.code(*columns.type, at));
    if (type.length != 8 || memcmp(type.data, "identify", 8) != 0) continue;
    FoldRow(rows.text(*columns.traits, at), anchors[at], times[at], sequence + index);
  }
  return true;
}

void TraitStore::FoldRow(const Slice& traits, uint32_t anchor, int64_t micros, uint64_t sequence) {
  bool is_seen[kTraitSlotMask + 1] = {};
  JsonText json(traits);
  if (traits.length == 0 || json.Peek() != '{') return;
  json.EachMember([&](const Slice& key) {
    Slice name = key;
    if (memchr(key.data, '\\', key.length) != nullptr) {
      Unescape(key, &unescaped_);
      name = {unescaped_.data(), static_cast<uint32_t>(unescaped_.size())};
    }
    uint32_t slot = SlotNamed(name);
    Slice value = TakeValue(&json);
    if (slot == 0 || is_seen[slot]) return;
    is_seen[slot] = true;
    Put(anchor, slot, micros, sequence, value);
  });
}

void TraitStore::Put(uint32_t anchor, uint32_t slot, int64_t micros, uint64_t sequence,
                     const Slice& value) {
  if (!failure_.empty()) return;
  TraitCell* cell = FindOrAdd(anchor, slot);
  if (cell == nullptr) return;
  uint64_t known = SequenceOf(cell->moment);
  bool is_newer = cell->length == 0 || cell->micros < micros ||
                  (cell->micros == micros && known < sequence);
  if (!is_newer) return;
  Slice old = ValueOf(*cell);
  bool is_same = old.length == value.length && memcmp(old.data, value.data, value.length) == 0;
  bool was_long = old.length > kTraitInlineBytes;
  bool is_long = value.length > kTraitInlineBytes;
  bool stays = is_long && was_long && TraitTexts::IsSameSize(old.length, value.length);
  uint32_t unit = 0;
  if (is_long && !stays) {
    unit = texts_.Allocate(value.length, &failure_);
    if (unit == 0) return;
    memcpy(texts_.At(unit), value.data, value.length);
  }
  // From here on readers wait.
  __atomic_store_n(&cell->moment, MomentOf(kTraitChanging, slot), __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  cell->micros = micros;
  if (!is_same) {
    if (stays) {
      char* text = texts_.At(cell->unit);
      memcpy(text, value.data, value.length);
      if (old.length > value.length) memset(text + value.length, 0, old.length - value.length);
    } else {
      if (was_long) texts_.Free(static_cast<uint32_t>(cell->unit), old.length);
      cell->unit = unit;
      if (!is_long) memcpy(cell->text, value.data, value.length);
    }
    cell->length = value.length;
  }
  __atomic_store_n(&cell->moment, MomentOf(sequence, slot), __ATOMIC_RELEASE);
}

// The cell of an anchor for a key, without a value when there was none; nullptr when there is no room.
TraitCell* TraitStore::FindOrAdd(uint32_t anchor, uint32_t slot) {
  if (anchor >= anchor_count_) {
    failure_ = heads_.Ensure(uint64_t{anchor} + 1);
    if (!failure_.empty()) return nullptr;
    anchor_count_ = uint64_t{anchor} + 1;
    heads_.Publish(anchor_count_);
  }
  uint32_t* head = heads_.data<uint32_t>() + anchor;
  TraitCell* unused = nullptr;
  for (uint32_t at = *head; at != 0; at = CellAt(at).next) {
    uint32_t used_by = SlotOf(CellAt(at).moment);
    if (used_by == slot) return &CellAt(at);
    if (used_by == 0) unused = &CellAt(at);
  }
  if (unused != nullptr) return unused;
  failure_ = cells_.Ensure(uint64_t{cell_count_} + 1);
  if (!failure_.empty()) return nullptr;
  uint32_t added = cell_count_++;
  CellAt(added) = {*head, 0, 0, 0, {}};
  cells_.Publish(cell_count_);
  __atomic_store_n(head, added, __ATOMIC_RELEASE);
  return &CellAt(added);
}

void TraitStore::Forget(uint32_t anchor) {
  if (anchor >= anchor_count_) return;
  uint32_t* head = heads_.data<uint32_t>() + anchor;
  for (uint32_t at = *head; at != 0; at = CellAt(at).next) Wipe(&CellAt(at));
  __atomic_store_n(head, 0, __ATOMIC_RELEASE);
}

// Leaves the cell in its list, without a key.
void TraitStore::Wipe(TraitCell* cell) {
  uint32_t length = cell->length;
  uint64_t unit = cell->unit;
  __atomic_store_n(&cell->moment, 0, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  cell->length = 0;
  cell->micros = 0;
  cell->unit = 0;
  if (length > kTraitInlineBytes) texts_.Free(static_cast<uint32_t>(unit), length);
}

Slice TraitStore::ValueOf(const TraitCell& cell) const {
  const char* text = cell.length > kTraitInlineBytes ? texts_.At(cell.unit) : cell.text;
  return {text, cell.length};
}

uint64_t TraitStore::memory_bytes() const {
  return heads_.backed_bytes() + cells_.backed_bytes() + texts_.backed_bytes();
}

void TraitStore::Close() {
  heads_.Close();
  cells_.Close();
  texts_.Close();
}

}  // namespace tributary
