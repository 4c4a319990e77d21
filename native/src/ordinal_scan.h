// A DuckDB table function over the ordinals of identity's shared arrays: one row for each that is in use.
//
// Threads take runs of ordinals in turns; within one, the rows of a chunk are chosen first and its columns
// filled then, only those that are asked for. Ordinal 0 is "none" and never a row.
//
// A Table says what is scanned. One object serves all threads; it has
//   static constexpr const char* kName, *kCardinality   the function; the array whose length is the estimate
//   static constexpr ResultColumn kColumns[]
//   uint64_t count() const                       ordinals below it are published
//   struct Chunk { uint32_t count; … }           the rows of a chunk, for one thread
//   void Take(uint32_t ordinal, Chunk*) const    adds the ordinal's row, if it has one
//   void Prepare(const std::vector<idx_t>& columns, Chunk*) const   before columns of a chunk are filled
//   void Fill(DuckdbVector, idx_t column, const Chunk&) const
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "duckdb_api.h"
#include "hot_directory.h"

namespace tributary {

struct ResultColumn {
  const char* name;
  DuckdbType type;
};

template <typename Table>
class OrdinalScan {
 public:
  static bool Register(DuckdbConnection connection) {
    return RegisterTableFunction(connection, Table::kName, {Bind, Init, InitWorker, Produce});
  }

 private:
  static constexpr uint64_t kUnitOrdinals = 64 * kChunkRows;
  static constexpr idx_t kColumnCount = sizeof(Table::kColumns) / sizeof(ResultColumn);

  struct Scan {
    Table table;
    std::vector<idx_t> projected;
    std::atomic<uint64_t> next{0};
  };
  struct Worker {
    uint64_t next = 0, end = 0;  // of its run
    typename Table::Chunk chunk;
  };

  static void Bind(DuckdbBindInfo info) {
    for (const ResultColumn& column : Table::kColumns) {
      LogicalType type(column.type);
      duckdb.bind_add_result_column(info, column.name, type.get());
    }
    uint64_t estimate = HotDirectory::Instance().Array(Table::kCardinality).count();
    duckdb.bind_set_cardinality(info, estimate, false);
  }

  static void Init(DuckdbInitInfo info) {
    auto* scan = new Scan();
    for (idx_t output = 0; output < duckdb.init_get_column_count(info); output += 1) {
      scan->projected.push_back(duckdb.init_get_column_index(info, output));
    }
    duckdb.init_set_max_threads(info, scan->table.count() / kUnitOrdinals + 1);
    duckdb.init_set_init_data(info, scan, [](void* data) { delete static_cast<Scan*>(data); });
  }

  static void InitWorker(DuckdbInitInfo info) {
    duckdb.init_set_init_data(info, new Worker(),
                              [](void* data) { delete static_cast<Worker*>(data); });
  }

  // Chooses the rows of the next chunk that has any. False when the scan is over.
  static bool NextChunk(Scan& scan, Worker& worker) {
    const uint64_t count = scan.table.count();
    for (;;) {
      if (worker.next == worker.end) {
        worker.next = scan.next.fetch_add(kUnitOrdinals, std::memory_order_relaxed);
        if (worker.next >= count) {
          worker.next = worker.end = 0;
          return false;
        }
        worker.end = std::min(worker.next + kUnitOrdinals, count);
      }
      uint64_t end = std::min<uint64_t>(worker.next + kChunkRows, worker.end);
      worker.chunk.count = 0;
      for (uint64_t ordinal = std::max<uint64_t>(worker.next, 1); ordinal < end; ordinal += 1) {
        scan.table.Take(static_cast<uint32_t>(ordinal), &worker.chunk);
      }
      worker.next = end;
      if (worker.chunk.count > 0) return true;
    }
  }

  static void Produce(DuckdbFunctionInfo info, DuckdbChunk output) {
    auto& scan = *static_cast<Scan*>(duckdb.function_get_init_data(info));
    auto& worker = *static_cast<Worker*>(duckdb.function_get_local_init_data(info));
    if (!NextChunk(scan, worker)) return duckdb.data_chunk_set_size(output, 0);
    scan.table.Prepare(scan.projected, &worker.chunk);
    for (idx_t place = 0; place < scan.projected.size(); place += 1) {
      DuckdbVector vector = duckdb.data_chunk_get_vector(output, place);
      idx_t column = scan.projected[place];
      if (column < kColumnCount) {
        scan.table.Fill(vector, column, worker.chunk);
      } else {
        memset(WritableValidity(vector), 0, kChunkRows / 8);  // a row id, which nothing reads
      }
    }
    duckdb.data_chunk_set_size(output, worker.chunk.count);
  }
};

}  // namespace tributary
