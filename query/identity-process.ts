/**
 * Writes identity's tables in a process of its own for each request, at the lowest priority. Its limit on
 * memory grows with the identifiers it has to index.
 */
import { TributaryError } from '../base/errors.ts';
import { GIB, MIB } from '../base/units.ts';
import type {
  IdentityRequest,
  IdentityWriter,
  WrittenIdentity,
} from '../engine/identity-writer.ts';
import { FileProcess } from './file-process.ts';

const PRIORITY_LOWEST = 19;
/** Rows are streamed: a row group of each column, and what compresses it. */
const DATABASE_LIMITS = { threads: 1, memoryBytesMax: 512 * MIB, spillBytesMax: 0 };
const DATA_BYTES = 2 * GIB;
/** The index of identifiers lies in the process's own memory; twice its size while it grows. */
const DATA_BYTES_PER_IDENTIFIER = 64;

export class IdentityProcess implements IdentityWriter {
  #process: FileProcess | undefined;
  #isClosed = false;

  /** The process that works, for those who watch it; undefined while none does. */
  get processId(): number | undefined {
    return this.#process?.processId;
  }

  async write(request: IdentityRequest): Promise<WrittenIdentity> {
    if (this.#isClosed) throw failure('the appliance is closing');
    const dataBytesMax = DATA_BYTES + DATA_BYTES_PER_IDENTIFIER * request.identifiers;
    const process = new FileProcess({
      limits: { ...DATABASE_LIMITS, dataBytesMax },
      niceness: PRIORITY_LOWEST,
      idleMsMax: 0,
      failure,
    });
    this.#process = process;
    try {
      return await process.order('identity', request);
    } finally {
      this.#process = undefined;
      await process.close();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#process?.close();
  }
}

function failure(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_LAKE_REWRITE_FAILED', { reason });
}
