/**
 * Apache Arrow, as much of it as storage uses. The only module that imports apache-arrow.
 *
 * Arrow's layout is the contract between our segments, Parquet and whoever reads record batches: a
 * buffer of ours becomes an Arrow buffer without being converted.
 */
export {
  type Data,
  DataType,
  DateUnit,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  makeData,
  RecordBatch,
  RecordBatchReader,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  TimeUnit,
  tableFromIPC,
  Utf8,
  Vector,
} from 'apache-arrow';
