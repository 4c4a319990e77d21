/**
 * The Parquet encoder of the appliance: DuckDB in a process of its own, so that flushing takes nothing from the
 * write path but processor time.
 *
 * There are two, of which one works: usually one with a thread that is nicer than the write path, as query
 * processes are. Under a load that leaves nothing over it would starve, hot storage would fill, and ingest
 * would have to stop for it on a processor that idles; so what is urgent goes to a process with two threads at
 * the priority of the write path.
 *
 * While events stream in, a process is kept; an appliance that flushes once in a quarter of an hour has none
 * between.
 */
import { TributaryError } from '../base/errors.ts';
import { GIB } from '../base/units.ts';
import type { EncodedFile, EncodeRequest, ParquetEncoder } from '../storage/parquet-encoder.ts';
import { FileProcess } from './file-process.ts';

/** Of a row group, 256 MiB, the writer holds a few copies. */
const LIMITS = { memoryBytesMax: GIB, spillBytesMax: 4 * GIB, dataBytesMax: 2 * GIB };
const NICENESS = 10;
const IDLE_MS_MAX = 10_000;

export class EncodeProcess implements ParquetEncoder {
  readonly #calm = encoderProcess(1, NICENESS);
  readonly #urgent = encoderProcess(2, 0);

  /** The processes there are, for those who watch them. */
  get processIds(): readonly number[] {
    return [this.#calm, this.#urgent].flatMap(({ processId }) => processId ?? []);
  }

  encode(request: EncodeRequest): Promise<readonly EncodedFile[]> {
    return (request.isUrgent ? this.#urgent : this.#calm).order('encode', request);
  }

  async close(): Promise<void> {
    await Promise.all([this.#calm.close(), this.#urgent.close()]);
  }
}

function encoderProcess(threads: number, niceness: number): FileProcess {
  return new FileProcess({
    limits: { ...LIMITS, threads },
    niceness,
    idleMsMax: IDLE_MS_MAX,
    failure: (reason) => new TributaryError('TRIBUTARY_LAKE_ENCODE_FAILED', { reason }),
  });
}
