// Scalar functions over identity's shared arrays (the end of segment_format.h lists them): whose an anchor is
// today, and what profiles and nodes are called.
//
//   profile_of(anchor UINTEGER) -> UINTEGER   the profile an anchor belongs to now
//   profile_id(profile UINTEGER) -> UUID      the public id of a profile
//   identifier_value(node UINTEGER) -> VARCHAR
//   identifier_type(node UINTEGER) -> VARCHAR
//
// - Ordinal 0 is "none": it, NULL and ordinals that are not published yet give NULL.
// - Files that are not there yet make empty results, not errors.
// - The functions are declared stable so that DuckDB may move filters over them: within a statement a
//   merge may become visible between two rows, as it may between two statements.
#include <algorithm>
#include <cstring>

#include "identity_names.h"

namespace tributary {
namespace {

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

}  // namespace

bool RegisterFunctions(DuckdbConnection connection) {
  return RegisterScalar(connection, "profile_of", DuckdbType::kUinteger, ProfileOf) &&
         RegisterScalar(connection, "profile_id", DuckdbType::kUuid, ProfileId) &&
         RegisterScalar(connection, "identifier_value", DuckdbType::kVarchar, IdentifierValue) &&
         RegisterScalar(connection, "identifier_type", DuckdbType::kVarchar, IdentifierType);
}

}  // namespace tributary
