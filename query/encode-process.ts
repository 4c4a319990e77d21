/**
 * The Parquet encoder of the appliance: DuckDB in a process of its own, so that flushing takes nothing from the
 * write path but processor time that nobody else wants.
 *
 * While events stream in, the process is kept; an appliance that flushes once in a quarter of an hour has
 * none between.
 */
import { TributaryError } from '../base/errors.ts';
import { GIB } from '../base/units.ts';
import type { EncodedFile, EncodeRequest, ParquetEncoder } from '../storage/parquet-encoder.ts';
import { FileProcess } from './file-process.ts';

/** Of a row group, 256 MiB, the writer holds a few copies. */
const LIMITS = { memoryBytesMax: GIB, spillBytesMax: 4 * GIB, dataBytesMax: 2 * GIB };
/** Nicer than the write path, as query processes are. */
const NICENESS = 10;
const IDLE_MS_MAX = 10_000;

export class EncodeProcess implements ParquetEncoder {
  readonly #process = new FileProcess({
    limits: LIMITS,
    niceness: NICENESS,
    idleMsMax: IDLE_MS_MAX,
    failure: (reason) => new TributaryError('TRIBUTARY_LAKE_ENCODE_FAILED', { reason }),
  });

  /** The process that works, for those who watch it; undefined while there is none. */
  get processId(): number | undefined {
    return this.#process.processId;
  }

  encode(request: EncodeRequest): Promise<readonly EncodedFile[]> {
    return this.#process.order('encode', request);
  }

  close(): Promise<void> {
    return this.#process.close();
  }
}
