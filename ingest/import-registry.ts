/**
 * How far each bulk import is, for `GET /v1/import/{id}`: counts and a state, kept in memory.
 *
 * It is only a convenience: what makes an import safe to repeat are the message ids of its rows. After
 * a restart nothing is known of earlier imports, and sending one again tells how many rows were there.
 *
 * - One import of a tenant runs once at a time.
 * - Of the imports that are over the newest {@link FINISHED_MAX} are remembered.
 */
import { TributaryError } from '../base/errors.ts';

const FINISHED_MAX = 1000;

/** `interrupted`: the client went away, or a batch was refused; send the rest, or all of it, again. */
export type ImportState = 'running' | 'complete' | 'interrupted';

export interface ImportProgress {
  readonly importId: string;
  state: ImportState;
  /** The row to go on from: all rows before it are durable. */
  nextRow: number;
  bytes: number;
  accepted: number;
  duplicates: number;
  rejected: number;
}

export class ImportRegistry {
  /** By tenant and import, in the order they were started. */
  readonly #imports = new Map<string, ImportProgress>();

  /** @throws TRIBUTARY_INGEST_IMPORT_RUNNING */
  start(tenantId: string, importId: string, firstRow: number): ImportProgress {
    const key = `${tenantId}/${importId}`;
    if (this.#imports.get(key)?.state === 'running') {
      throw new TributaryError('TRIBUTARY_INGEST_IMPORT_RUNNING', { importId });
    }
    const counts = { bytes: 0, accepted: 0, duplicates: 0, rejected: 0 };
    const progress: ImportProgress = { importId, state: 'running', nextRow: firstRow, ...counts };
    this.#imports.delete(key);
    this.#imports.set(key, progress);
    this.#forgetOldest();
    return progress;
  }

  /** @throws TRIBUTARY_INGEST_IMPORT_UNKNOWN */
  progressOf(tenantId: string, importId: string): ImportProgress {
    const progress = this.#imports.get(`${tenantId}/${importId}`);
    if (progress !== undefined) return progress;
    throw new TributaryError('TRIBUTARY_INGEST_IMPORT_UNKNOWN', { importId });
  }

  #forgetOldest(): void {
    if (this.#imports.size <= FINISHED_MAX) return;
    for (const [key, { state }] of this.#imports) {
      if (state === 'running') continue;
      this.#imports.delete(key);
      return;
    }
  }
}
