/**
 * One import under way: its batches into the engine, a few at a time, and the answer beside it.
 *
 * - Batches are counted in their order. The first that fails ends the import: what is counted is what is stored before
 *   it, and batches behind it that were stored too are duplicates when the rest is sent again.
 * - The answer is NDJSON: a line of progress at most every {@link PROGRESS_MS}, and one at the end.
 * - The status tells of an error, unless a line of progress is out already.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { asTributaryError, type HttpExchange } from './http-exchange.ts';
import type { ImportBatch } from './import-batcher.ts';
import { BodyCutError, type ImportBody } from './import-body.ts';
import type { ImportProgress, ImportRegistry } from './import-registry.ts';
import type { AppendedRows } from './import-salvage.ts';

const PROGRESS_MS = 1000;

export interface ImportSessionParts {
  readonly exchange: HttpExchange;
  readonly body: ImportBody;
  /** What is in the body; read only as fast as it is stored. */
  readonly batches: AsyncIterable<ImportBatch>;
  readonly registry: ImportRegistry;
  readonly progress: ImportProgress;
  readonly clock: Clock;
  /** Stores a batch. `before` settles when those before it are counted, and rejects when one of them failed. */
  append(batch: ImportBatch, before: Promise<void>): Promise<AppendedRows>;
}

export class ImportSession {
  readonly #parts: ImportSessionParts;
  /** Whether a line of the answer is out. */
  #hasBegun = false;
  #toldMs: number;
  /** All batches so far are counted. */
  #counted = Promise.resolve();
  /** None is in the engine any more. */
  #settled: Promise<unknown> = Promise.resolve();

  constructor(parts: ImportSessionParts) {
    this.#parts = parts;
    this.#toldMs = parts.clock.monotonicMs();
  }

  /** Resolves when the import is over and told. Never rejects. */
  async run(): Promise<void> {
    const { body, exchange, progress, registry } = this.#parts;
    try {
      await registry.save(); // What is stored belongs to an import that is known.
      await this.#appendAll();
      progress.state = 'complete';
      await registry.save();
    } catch (cause) {
      const error = await this.#earliestOf(cause);
      progress.state = 'interrupted';
      await body.return();
      await registry.save();
      if (!(error instanceof BodyCutError)) this.#tellFailure(asTributaryError(error));
      return;
    }
    this.#write(progress);
    exchange.finish();
  }

  /** Once nothing is under way: the failure of a batch, which stands before the rows that could not be cut. */
  async #earliestOf(cause: unknown): Promise<unknown> {
    await this.#settled;
    try {
      await this.#counted;
      return cause;
    } catch (error) {
      return error;
    }
  }

  async #appendAll(): Promise<void> {
    const { batches, exchange } = this.#parts;
    const underWay: Promise<void>[] = [];
    for await (const batch of batches) {
      underWay.push(this.#append(batch));
      if (underWay.length < LIMITS.importBatchesUnderWay) continue;
      await underWay.shift();
      if (exchange.over) throw new BodyCutError();
      this.#tell();
    }
    await this.#counted;
  }

  /** @returns when it and those before it are counted. */
  #append(batch: ImportBatch): Promise<void> {
    const before = this.#counted;
    const appended = this.#parts.append(batch, before);
    this.#settled = Promise.allSettled([this.#settled, appended]);
    this.#counted = before.then(() => appended).then((rows) => this.#count(batch, rows));
    this.#counted.catch(() => {}); // It is awaited later.
    return this.#counted;
  }

  /** @throws TRIBUTARY_INGEST_IMPORT_ROW_UNREADABLE */
  #count({ rows, importBytes }: ImportBatch, { failure, outcomes }: AppendedRows): void {
    const { progress } = this.#parts;
    for (const { accepted, duplicates, rejected } of outcomes) {
      progress.accepted += accepted;
      progress.duplicates += duplicates;
      progress.rejected += rejected.length;
    }
    progress.nextRow += failure?.rowsBefore ?? rows;
    if (failure !== undefined) {
      const { reason } = failure;
      throw new TributaryError('TRIBUTARY_INGEST_IMPORT_ROW_UNREADABLE', {
        row: progress.nextRow,
        reason,
      });
    }
    progress.bytes += importBytes;
  }

  #tell(): void {
    const { clock, progress, registry } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#toldMs < PROGRESS_MS) return;
    this.#toldMs = nowMs;
    this.#write(progress);
    void registry.save();
  }

  #tellFailure(error: TributaryError): void {
    const { exchange, progress } = this.#parts;
    if (exchange.over) return;
    if (!this.#hasBegun) {
      exchange.answerError(error, { details: progress });
      return;
    }
    this.#write({ ...progress, error: error.toJSON() });
    exchange.finish();
  }

  #write(line: object): void {
    const { exchange } = this.#parts;
    if (exchange.over) return;
    if (!this.#hasBegun) exchange.begin('application/x-ndjson', {});
    this.#hasBegun = true;
    exchange.response.cork(() => exchange.response.write(`${JSON.stringify(line)}\n`));
  }
}
