// The part of DuckDB's C API that the extension uses, as a table of function pointers.
//
// Why not duckdb.h and a linked libduckdb: the addon is loaded by processes that have no DuckDB, so it
// must not need the library. When DuckDB loads the extension, its library is in the process, and the
// functions are looked up there by name. Names and signatures are those of duckdb.h 1.5.
//
// Handles are opaque; each kind has a type of its own, so that the compiler tells them apart.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

namespace tributary {

using idx_t = uint64_t;

enum class DuckdbState : int { kSuccess = 0, kError = 1 };

// Numbers of DUCKDB_TYPE.
enum class DuckdbType : int {
  kBoolean = 1,
  kBigint = 5,
  kUinteger = 8,
  kUbigint = 9,
  kDouble = 11,
  kHugeint = 16,
  kVarchar = 17,
  kUuid = 27,
  kTimestampTz = 31,
};

// Up to 12 bytes lie in the string itself; a longer one keeps its first four and points at the rest.
struct DuckdbString {
  uint32_t length;
  char prefix[4];
  const char* pointer;
};
constexpr uint32_t kInlinedStringBytesMax = 12;
static_assert(sizeof(DuckdbString) == 16, "DuckDB's string_t");

struct DuckdbHugeint {
  uint64_t lower;
  int64_t upper;
};

typedef struct DuckdbDatabaseHandle* DuckdbDatabase;
typedef struct DuckdbConnectionHandle* DuckdbConnection;
typedef struct DuckdbTypeHandle* DuckdbLogicalType;
typedef struct DuckdbVectorHandle* DuckdbVector;
typedef struct DuckdbSelectionHandle* DuckdbSelection;
typedef struct DuckdbChunkHandle* DuckdbChunk;
typedef struct DuckdbValueHandle* DuckdbValue;
typedef struct DuckdbTableFunctionHandle* DuckdbTableFunction;
typedef struct DuckdbScalarFunctionHandle* DuckdbScalarFunction;
typedef struct DuckdbBindHandle* DuckdbBindInfo;
typedef struct DuckdbInitHandle* DuckdbInitInfo;
typedef struct DuckdbFunctionHandle* DuckdbFunctionInfo;
typedef struct DuckdbExtensionHandle* DuckdbExtensionInfo;

typedef void (*DuckdbDelete)(void*);
typedef void (*DuckdbBindFunction)(DuckdbBindInfo);
typedef void (*DuckdbInitFunction)(DuckdbInitInfo);
typedef void (*DuckdbScanFunction)(DuckdbFunctionInfo, DuckdbChunk);
typedef void (*DuckdbScalarCallback)(DuckdbFunctionInfo, DuckdbChunk, DuckdbVector);

// What DuckDB hands to the entry point of an extension.
struct DuckdbExtensionAccess {
  void (*set_error)(DuckdbExtensionInfo, const char*);
  DuckdbDatabase* (*get_database)(DuckdbExtensionInfo);
  const void* (*get_api)(DuckdbExtensionInfo, const char*);
};

// FUNCTION(result, name without the prefix `duckdb_`, parameters)
#define TRIBUTARY_DUCKDB_FUNCTIONS(FUNCTION)                                                        \
  FUNCTION(DuckdbState, connect, (DuckdbDatabase, DuckdbConnection*))                               \
  FUNCTION(void, disconnect, (DuckdbConnection*))                                                   \
  FUNCTION(void, free, (void*))                                                                     \
  FUNCTION(idx_t, vector_size, ())                                                                  \
  FUNCTION(DuckdbLogicalType, create_logical_type, (DuckdbType))                                    \
  FUNCTION(void, logical_type_set_alias, (DuckdbLogicalType, const char*))                          \
  FUNCTION(void, destroy_logical_type, (DuckdbLogicalType*))                                        \
  FUNCTION(char*, get_varchar, (DuckdbValue))                                                       \
  FUNCTION(bool, is_null_value, (DuckdbValue))                                                      \
  FUNCTION(void, destroy_value, (DuckdbValue*))                                                     \
  FUNCTION(DuckdbVector, data_chunk_get_vector, (DuckdbChunk, idx_t))                               \
  FUNCTION(idx_t, data_chunk_get_size, (DuckdbChunk))                                               \
  FUNCTION(void, data_chunk_set_size, (DuckdbChunk, idx_t))                                         \
  FUNCTION(DuckdbVector, create_vector, (DuckdbLogicalType, idx_t))                                 \
  FUNCTION(void, destroy_vector, (DuckdbVector*))                                                   \
  FUNCTION(void*, vector_get_data, (DuckdbVector))                                                  \
  FUNCTION(uint64_t*, vector_get_validity, (DuckdbVector))                                          \
  FUNCTION(void, vector_ensure_validity_writable, (DuckdbVector))                                   \
  FUNCTION(void, unsafe_vector_assign_string_element_len, (DuckdbVector, idx_t, const char*, idx_t)) \
  FUNCTION(void, vector_reference_vector, (DuckdbVector, DuckdbVector))                             \
  FUNCTION(void, slice_vector, (DuckdbVector, DuckdbSelection, idx_t))                              \
  FUNCTION(DuckdbSelection, create_selection_vector, (idx_t))                                       \
  FUNCTION(uint32_t*, selection_vector_get_data_ptr, (DuckdbSelection))                             \
  FUNCTION(void, destroy_selection_vector, (DuckdbSelection))                                       \
  FUNCTION(DuckdbTableFunction, create_table_function, ())                                          \
  FUNCTION(void, destroy_table_function, (DuckdbTableFunction*))                                    \
  FUNCTION(void, table_function_set_name, (DuckdbTableFunction, const char*))                       \
  FUNCTION(void, table_function_add_parameter, (DuckdbTableFunction, DuckdbLogicalType))            \
  FUNCTION(void, table_function_set_bind, (DuckdbTableFunction, DuckdbBindFunction))                \
  FUNCTION(void, table_function_set_init, (DuckdbTableFunction, DuckdbInitFunction))                \
  FUNCTION(void, table_function_set_local_init, (DuckdbTableFunction, DuckdbInitFunction))          \
  FUNCTION(void, table_function_set_function, (DuckdbTableFunction, DuckdbScanFunction))            \
  FUNCTION(void, table_function_supports_projection_pushdown, (DuckdbTableFunction, bool))          \
  FUNCTION(DuckdbState, register_table_function, (DuckdbConnection, DuckdbTableFunction))           \
  FUNCTION(DuckdbValue, bind_get_parameter, (DuckdbBindInfo, idx_t))                                \
  FUNCTION(void, bind_add_result_column, (DuckdbBindInfo, const char*, DuckdbLogicalType))          \
  FUNCTION(void, bind_set_bind_data, (DuckdbBindInfo, void*, DuckdbDelete))                         \
  FUNCTION(void, bind_set_cardinality, (DuckdbBindInfo, idx_t, bool))                               \
  FUNCTION(void, bind_set_error, (DuckdbBindInfo, const char*))                                     \
  FUNCTION(void*, init_get_bind_data, (DuckdbInitInfo))                                             \
  FUNCTION(idx_t, init_get_column_count, (DuckdbInitInfo))                                          \
  FUNCTION(idx_t, init_get_column_index, (DuckdbInitInfo, idx_t))                                   \
  FUNCTION(void, init_set_init_data, (DuckdbInitInfo, void*, DuckdbDelete))                         \
  FUNCTION(void, init_set_max_threads, (DuckdbInitInfo, idx_t))                                     \
  FUNCTION(void, init_set_error, (DuckdbInitInfo, const char*))                                     \
  FUNCTION(void*, function_get_init_data, (DuckdbFunctionInfo))                                     \
  FUNCTION(void*, function_get_local_init_data, (DuckdbFunctionInfo))                               \
  FUNCTION(void, function_set_error, (DuckdbFunctionInfo, const char*))                             \
  FUNCTION(DuckdbScalarFunction, create_scalar_function, ())                                        \
  FUNCTION(void, destroy_scalar_function, (DuckdbScalarFunction*))                                  \
  FUNCTION(void, scalar_function_set_name, (DuckdbScalarFunction, const char*))                     \
  FUNCTION(void, scalar_function_add_parameter, (DuckdbScalarFunction, DuckdbLogicalType))          \
  FUNCTION(void, scalar_function_set_return_type, (DuckdbScalarFunction, DuckdbLogicalType))        \
  FUNCTION(void, scalar_function_set_special_handling, (DuckdbScalarFunction))                      \
  FUNCTION(void, scalar_function_set_function, (DuckdbScalarFunction, DuckdbScalarCallback))        \
  FUNCTION(DuckdbState, register_scalar_function, (DuckdbConnection, DuckdbScalarFunction))

struct DuckdbApi {
#define TRIBUTARY_DECLARE(result, name, parameters) result(*name) parameters;
  TRIBUTARY_DUCKDB_FUNCTIONS(TRIBUTARY_DECLARE)
#undef TRIBUTARY_DECLARE
};

// Filled before any function of the extension is registered, and never changed again.
extern DuckdbApi duckdb;

// Registers the functions of duckdb_scan.cc, duckdb_functions.cc, … False when DuckDB refuses one.
bool RegisterScan(DuckdbConnection connection);
bool RegisterAnchors(DuckdbConnection connection);
bool RegisterProfiles(DuckdbConnection connection);
bool RegisterFunctions(DuckdbConnection connection);
bool RegisterTraits(DuckdbConnection connection);
bool RegisterTrustedJson(DuckdbConnection connection);

// A logical type that is destroyed with its scope.
class LogicalType {
 public:
  explicit LogicalType(DuckdbType type, const char* alias = nullptr)
      : handle_(duckdb.create_logical_type(type)) {
    if (alias != nullptr) duckdb.logical_type_set_alias(handle_, alias);
  }
  ~LogicalType() { duckdb.destroy_logical_type(&handle_); }
  LogicalType(const LogicalType&) = delete;
  LogicalType& operator=(const LogicalType&) = delete;
  DuckdbLogicalType get() const { return handle_; }

 private:
  DuckdbLogicalType handle_;
};

// ── table functions ──────────────────────────────────────────────────────────────────────────────

// Rows of a chunk: DuckDB's vectors have at least as many.
constexpr uint32_t kChunkRows = 2048;

struct TableFunctionCallbacks {
  DuckdbBindFunction bind;
  DuckdbInitFunction init, init_worker;
  DuckdbScanFunction produce;
};

// Registers a table function that produces the columns it is asked for. `parameter`: the type of its one
// argument, if it has one. False when DuckDB refuses it.
bool RegisterTableFunction(DuckdbConnection connection, const char* name,
                           const TableFunctionCallbacks& callbacks,
                           DuckdbLogicalType parameter = nullptr);

// ── scalar functions ─────────────────────────────────────────────────────────────────────────────

// Registers a function of `parameters` UINTEGERs, which is called for NULLs, too. False when DuckDB refuses it.
bool RegisterScalar(DuckdbConnection connection, const char* name, DuckdbType result,
                    DuckdbScalarCallback callback, uint32_t parameters = 1);

// ── values ───────────────────────────────────────────────────────────────────────────────────────

// DuckDB's string over bytes that stay where they are.
inline DuckdbString StringOver(const char* text, uint32_t length) {
  DuckdbString string;
  if (length > kInlinedStringBytesMax) {
    string.length = length;
    memcpy(string.prefix, text, sizeof string.prefix);
    string.pointer = text;
    return string;
  }
  // Unused bytes are zero: DuckDB compares inlined strings as 16 bytes.
  memset(&string, 0, sizeof string);
  string.length = length;
  memcpy(string.prefix, text, length);
  return string;
}

inline uint64_t* WritableValidity(DuckdbVector vector) {
  duckdb.vector_ensure_validity_writable(vector);
  return duckdb.vector_get_validity(vector);
}

inline bool IsSet(const uint64_t* validity, idx_t row) {
  return validity == nullptr || (validity[row / 64] >> (row % 64) & 1) != 0;
}

inline void SetNull(uint64_t* validity, idx_t row) {
  validity[row / 64] &= ~(uint64_t{1} << (row % 64));
}

}  // namespace tributary
