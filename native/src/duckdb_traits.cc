// Scalar functions over what is kept of declared traits (trait_format.h): the newest value of a profile for a
// key, over all its anchors.
//
//   trait_json(profile UINTEGER, slot UINTEGER) -> VARCHAR     as JSON
//   trait_text(profile UINTEGER, slot UINTEGER) -> VARCHAR     a string as its text, a number or a boolean as it
//                                                              was written; nothing else
//   trait_string(profile UINTEGER, slot UINTEGER) -> VARCHAR   a string as its text; nothing else
//
// - NULL for a profile without a value, and for one that is not published yet.
// - What is newest is decided by event time, then by sequence.
#include <sched.h>

#include <string>

#include "duckdb_api.h"
#include "json_text.h"
#include "profile_rings.h"
#include "trait_format.h"

namespace tributary {
namespace {

// A cell is being changed for some 100 ns; its writer may be interrupted meanwhile, or be gone.
constexpr uint32_t kWaitsMax = 100000;

class TraitReader {
 public:
  TraitReader()
      : heads_(HotDirectory::Instance().Array(kTraitHeads)),
        cells_(HotDirectory::Instance().Array(kTraitCells)),
        texts_(HotDirectory::Instance().Array(kTraitTexts)) {}

  // Copies the newest value of a profile. False when it has none.
  bool Read(uint32_t profile, uint32_t slot, std::string* value) const {
    if (profile == 0 || profile >= rings_.count()) return false;
    for (uint32_t waits = 0; waits < kWaitsMax; waits += 1) {
      Newest newest;
      bool is_steady = true;
      rings_.EachAnchor(profile, [&](uint32_t anchor) {
        is_steady = is_steady && Compare(anchor, slot, &newest);
      });
      if (is_steady && newest.cell == nullptr) return false;
      if (is_steady && Copy(newest, value)) return true;
      sched_yield();
    }
    return false;
  }

 private:
  struct Newest {
    const TraitCell* cell = nullptr;
    int64_t micros = 0;
    uint64_t moment = 0;
  };

  static uint64_t MomentIn(const TraitCell* cell) {
    return __atomic_load_n(&cell->moment, __ATOMIC_ACQUIRE);
  }

  // Takes the anchor's cell where it is newer. False when it is being changed, or was for another key.
  bool Compare(uint32_t anchor, uint32_t slot, Newest* newest) const {
    const TraitCell* cell = CellOf(anchor, slot);
    if (cell == nullptr) return true;
    uint64_t moment = MomentIn(cell);
    int64_t micros = __atomic_load_n(&cell->micros, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    bool is_steady = SlotOf(moment) == slot && SequenceOf(moment) != kTraitChanging &&
                     MomentIn(cell) == moment;
    if (!is_steady) return false;
    bool is_newer = newest->cell == nullptr || newest->micros < micros ||
                    (newest->micros == micros && newest->moment < moment);
    if (is_newer) *newest = {cell, micros, moment};
    return true;
  }

  const TraitCell* CellOf(uint32_t anchor, uint32_t slot) const {
    if (anchor >= std::min(heads_.count(), heads_.CapacityOf(4))) return nullptr;
    uint32_t at = __atomic_load_n(&heads_.As<uint32_t>()[anchor], __ATOMIC_ACQUIRE);
    uint64_t count = std::min(cells_.count(), cells_.CapacityOf(sizeof(TraitCell)));
    for (uint32_t steps = 0; at != 0 && at < count && steps <= kTraitSlotMask; steps += 1) {
      const TraitCell* cell = &cells_.As<TraitCell>()[at];
      if (SlotOf(MomentIn(cell)) == slot) return cell;
      at = cell->next;
    }
    return nullptr;
  }

  // False when the cell was changed meanwhile.
  bool Copy(const Newest& newest, std::string* value) const {
    const TraitCell& cell = *newest.cell;
    uint32_t length = __atomic_load_n(&cell.length, __ATOMIC_RELAXED);
    uint64_t unit = __atomic_load_n(&cell.unit, __ATOMIC_RELAXED);
    if (length <= kTraitInlineBytes) {
      value->assign(reinterpret_cast<const char*>(&unit), length);
    } else {
      uint64_t bytes = std::min(texts_.count(), texts_.CapacityOf(kTraitUnitBytes)) * kTraitUnitBytes;
      uint64_t start = unit * kTraitUnitBytes;
      if (unit > bytes / kTraitUnitBytes || length > bytes - start) return false;
      value->assign(reinterpret_cast<const char*>(texts_.elements() + start), length);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return MomentIn(&cell) == newest.moment;
  }

  ProfileRings rings_;
  MappedArray heads_, cells_, texts_;
};

void Assign(DuckdbVector vector, idx_t row, const char* text, uint32_t length) {
  if (length <= kInlinedStringBytesMax) {
    static_cast<DuckdbString*>(duckdb.vector_get_data(vector))[row] = StringOver(text, length);
  } else {
    duckdb.unsafe_vector_assign_string_element_len(vector, row, text, length);
  }
}

// Each writes a value in its way; false makes it NULL.
bool AsJson(DuckdbVector vector, idx_t row, const std::string& value) {
  Assign(vector, row, value.data(), static_cast<uint32_t>(value.size()));
  return true;
}

bool AsString(DuckdbVector vector, idx_t row, const std::string& value) {
  if (value[0] != '"') return false;
  Slice inside = {value.data() + 1, static_cast<uint32_t>(value.size() - 2)};
  if (memchr(inside.data, '\\', inside.length) == nullptr) {
    Assign(vector, row, inside.data, inside.length);
  } else {
    std::string text;
    Unescape(inside, &text);
    Assign(vector, row, text.data(), static_cast<uint32_t>(text.size()));
  }
  return true;
}

bool AsText(DuckdbVector vector, idx_t row, const std::string& value) {
  char first = value[0];
  if (first == '"') return AsString(vector, row, value);
  return first != '{' && first != '[' && first != 'n' && AsJson(vector, row, value);
}

template <bool (*As)(DuckdbVector, idx_t, const std::string&)>
void ReadTraits(DuckdbFunctionInfo, DuckdbChunk input, DuckdbVector output) {
  TraitReader reader;
  idx_t rows = duckdb.data_chunk_get_size(input);
  DuckdbVector profile_vector = duckdb.data_chunk_get_vector(input, 0);
  DuckdbVector slot_vector = duckdb.data_chunk_get_vector(input, 1);
  auto* profiles = static_cast<const uint32_t*>(duckdb.vector_get_data(profile_vector));
  auto* slots = static_cast<const uint32_t*>(duckdb.vector_get_data(slot_vector));
  const uint64_t* has_profile = duckdb.vector_get_validity(profile_vector);
  uint64_t* validity = WritableValidity(output);
  std::string value;
  for (idx_t row = 0; row < rows; row += 1) {
    bool is_there = IsSet(has_profile, row) && reader.Read(profiles[row], slots[row], &value);
    if (!is_there || !As(output, row, value)) SetNull(validity, row);
  }
}

}  // namespace

bool RegisterTraits(DuckdbConnection connection) {
  constexpr DuckdbType kText = DuckdbType::kVarchar;
  return RegisterScalar(connection, "trait_json", kText, ReadTraits<AsJson>, 2) &&
         RegisterScalar(connection, "trait_text", kText, ReadTraits<AsText>, 2) &&
         RegisterScalar(connection, "trait_string", kText, ReadTraits<AsString>, 2);
}

}  // namespace tributary
