/**
 * A stand-in for the engine behind the front door, at the port the product has for it: it parses batches
 * in memory and remembers messageIds. It does no more than tests of ingest/ need.
 */
import { TributaryError } from '../../base/errors.ts';
import type { BatchOutcome, IncomingBatch, Rejection } from '../../engine/types.ts';
import type { BatchWriter } from '../../ingest/ports.ts';

export class MemoryWriter implements BatchWriter {
  readonly batches: IncomingBatch[] = [];
  readonly #messageIds = new Set<string>();
  #gate: Promise<void> = Promise.resolve();
  #open: () => void = () => {};
  failure: TributaryError | undefined;

  /** Batches are decoded but not answered until `letGo`. */
  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  letGo(): void {
    this.#open();
  }

  async append(batch: IncomingBatch): Promise<BatchOutcome> {
    if (this.failure !== undefined) throw this.failure;
    const bytes = batch.bytes.slice();
    this.batches.push({ ...batch, bytes });
    const outcome = this.#decide(bytes);
    await this.#gate;
    return outcome;
  }

  #decide(bytes: Uint8Array): BatchOutcome {
    const value = parse(bytes);
    const events = Array.isArray(value['batch'])
      ? (value['batch'] as Record<string, unknown>[])
      : [value];
    const rejected: Rejection[] = [];
    let duplicates = 0;
    events.forEach((event, index) => {
      const messageId = typeof event['messageId'] === 'string' ? event['messageId'] : null;
      if (event['userId'] === undefined) {
        rejected.push({
          index,
          messageId,
          code: 'TRIBUTARY_INGEST_REQUEST_INVALID',
          path: 'userId',
        });
      } else if (messageId !== null && this.#messageIds.has(messageId)) {
        duplicates += 1;
      } else if (messageId !== null) {
        this.#messageIds.add(messageId);
      }
    });
    const received = events.length;
    const accepted = received - duplicates - rejected.length;
    return { received, accepted, duplicates, rejected, lastSequence: this.batches.length };
  }
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_INGEST_JSON_MALFORMED', { reason }, cause);
  }
}
