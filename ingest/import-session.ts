/**
 * One import under way: its rows into batches, one after the other, and the answer beside it.
 *
 * - The answer is NDJSON: a line of progress at most every {@link PROGRESS_MS}, and one at the end.
 * - The status tells of an error, unless a line of progress is out already.
 */
import type { Clock } from '../base/clock.ts';
import type { TributaryError } from '../base/errors.ts';
import { asTributaryError, type HttpExchange } from './http-exchange.ts';
import type { ImportBatch } from './import-batcher.ts';
import { BodyCutError, type ImportBody } from './import-body.ts';
import type { ImportProgress, ImportRegistry } from './import-registry.ts';

const PROGRESS_MS = 1000;

export interface ImportSessionParts {
  readonly exchange: HttpExchange;
  readonly body: ImportBody;
  /** What is in the body; read only as fast as it is stored. */
  readonly batches: AsyncIterable<ImportBatch>;
  readonly registry: ImportRegistry;
  readonly progress: ImportProgress;
  readonly clock: Clock;
  /** Stores a batch and counts it. */
  append(batch: ImportBatch): Promise<void>;
}

export class ImportSession {
  readonly #parts: ImportSessionParts;
  /** Whether a line of the answer is out. */
  #hasBegun = false;
  #toldMs: number;

  constructor(parts: ImportSessionParts) {
    this.#parts = parts;
    this.#toldMs = parts.clock.monotonicMs();
  }

  /** Resolves when the import is over and told. Never rejects. */
  async run(): Promise<void> {
    const { append, batches, body, exchange, progress, registry } = this.#parts;
    try {
      await registry.save(); // What is stored belongs to an import that is known.
      for await (const batch of batches) {
        await append(batch);
        if (exchange.over) throw new BodyCutError();
        this.#tell();
      }
      progress.state = 'complete';
      await registry.save();
    } catch (error) {
      progress.state = 'interrupted';
      await body.return();
      await registry.save();
      if (!(error instanceof BodyCutError)) this.#tellFailure(asTributaryError(error));
      return;
    }
    this.#write(progress);
    exchange.finish();
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
