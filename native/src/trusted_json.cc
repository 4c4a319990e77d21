// trusted_json(text VARCHAR) -> JSON: text that was JSON when it was stored, as what it is.
//
// A cast to JSON parses every text again, which makes reading the JSON columns of cold files half as
// fast again. The lake's JSON columns hold what the decoder validated, so the type is all that is
// missing: the result is the input, by reference.
#include "duckdb_api.h"

namespace tributary {

namespace {

void TrustedJson(DuckdbFunctionInfo, DuckdbChunk input, DuckdbVector output) {
  duckdb.vector_reference_vector(output, duckdb.data_chunk_get_vector(input, 0));
}

}  // namespace

bool RegisterTrustedJson(DuckdbConnection connection) {
  LogicalType text(DuckdbType::kVarchar);
  LogicalType json(DuckdbType::kVarchar, "JSON");
  DuckdbScalarFunction function = duckdb.create_scalar_function();
  duckdb.scalar_function_set_name(function, "trusted_json");
  duckdb.scalar_function_add_parameter(function, text.get());
  duckdb.scalar_function_set_return_type(function, json.get());
  duckdb.scalar_function_set_function(function, TrustedJson);
  bool registered = duckdb.register_scalar_function(connection, function) == DuckdbState::kSuccess;
  duckdb.destroy_scalar_function(&function);
  return registered;
}

}  // namespace tributary
