// Where DuckDB enters the shared object: `LOAD` calls tributary_init_c_api, named for the file.
#include "duckdb_api.h"

#include <dlfcn.h>

namespace tributary {

DuckdbApi duckdb;

namespace {

// Looks the functions up in the DuckDB that is already in the process. Returns "" or what is missing.
std::string LoadApi() {
  void* library = dlopen("libduckdb.so", RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) return "libduckdb.so is not loaded in this process";
#define TRIBUTARY_LOAD(result, name, parameters)                                        \
  duckdb.name = reinterpret_cast<result(*) parameters>(dlsym(library, "duckdb_" #name)); \
  if (duckdb.name == nullptr) return "this DuckDB has no function duckdb_" #name;
  TRIBUTARY_DUCKDB_FUNCTIONS(TRIBUTARY_LOAD)
#undef TRIBUTARY_LOAD
  return "";
}

std::string Register(DuckdbDatabase database) {
  DuckdbConnection connection;
  if (duckdb.connect(database, &connection) != DuckdbState::kSuccess) return "cannot connect";
  bool registered = RegisterScan(connection) && RegisterFunctions(connection) &&
                    RegisterAnchors(connection) && RegisterProfiles(connection) &&
                    RegisterTraits(connection) && RegisterTrustedJson(connection);
  duckdb.disconnect(&connection);
  return registered ? "" : "DuckDB refused a function";
}

}  // namespace

bool RegisterTableFunction(DuckdbConnection connection, const char* name,
                           const TableFunctionCallbacks& callbacks, DuckdbLogicalType parameter) {
  DuckdbTableFunction function = duckdb.create_table_function();
  duckdb.table_function_set_name(function, name);
  if (parameter != nullptr) duckdb.table_function_add_parameter(function, parameter);
  duckdb.table_function_set_bind(function, callbacks.bind);
  duckdb.table_function_set_init(function, callbacks.init);
  duckdb.table_function_set_local_init(function, callbacks.init_worker);
  duckdb.table_function_set_function(function, callbacks.produce);
  duckdb.table_function_supports_projection_pushdown(function, true);
  bool registered = duckdb.register_table_function(connection, function) == DuckdbState::kSuccess;
  duckdb.destroy_table_function(&function);
  return registered;
}

bool RegisterScalar(DuckdbConnection connection, const char* name, DuckdbType result,
                    DuckdbScalarCallback callback, uint32_t parameters) {
  LogicalType parameter_type(DuckdbType::kUinteger);
  LogicalType result_type(result);
  DuckdbScalarFunction function = duckdb.create_scalar_function();
  duckdb.scalar_function_set_name(function, name);
  for (uint32_t count = 0; count < parameters; count += 1) {
    duckdb.scalar_function_add_parameter(function, parameter_type.get());
  }
  duckdb.scalar_function_set_return_type(function, result_type.get());
  duckdb.scalar_function_set_special_handling(function);
  duckdb.scalar_function_set_function(function, callback);
  bool registered = duckdb.register_scalar_function(connection, function) == DuckdbState::kSuccess;
  duckdb.destroy_scalar_function(&function);
  return registered;
}

}  // namespace tributary

extern "C" __attribute__((visibility("default"))) bool tributary_init_c_api(
    tributary::DuckdbExtensionInfo info, const tributary::DuckdbExtensionAccess* access) {
  // Loaded once per database; the function pointers are the same each time.
  static const std::string missing = tributary::LoadApi();
  std::string failure = missing;
  if (failure.empty()) {
    tributary::DuckdbDatabase* database = access->get_database(info);
    failure = database == nullptr ? "no database" : tributary::Register(*database);
  }
  if (failure.empty()) return true;
  access->set_error(info, failure.c_str());
  return false;
}
