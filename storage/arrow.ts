/**
 * Apache Arrow, as much of it as reading the files of imports takes. The only module that imports
 * apache-arrow.
 */
export {
  type Data,
  DataType,
  DateUnit,
  type RecordBatch,
  RecordBatchReader,
  TimeUnit,
} from 'apache-arrow';
