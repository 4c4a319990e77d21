/**
 * The live tail of a tenant: listeners that see every batch as it becomes visible. Payloads are kept for
 * them only while somebody listens, so an unwatched tenant pays one comparison per batch.
 */
import type { SegmentFile } from '../storage/segment-file.ts';
import { msgpackToJson } from './msgpack.ts';
import type { StagedRows } from './staged-rows.ts';
import type { IncomingBatch, PublishedBatch } from './types.ts';

/** What has to be kept of a batch until it is published. */
export type WatchedBatch = Pick<
  PublishedBatch,
  'source' | 'json' | 'typeOfPath' | 'receivedAtMicros'
>;

export class LiveTail {
  readonly #listeners = new Set<(batch: PublishedBatch) => void>();

  /** @returns how to stop; idempotent. */
  listen(listener: (batch: PublishedBatch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Keeps a staged batch for its publication; undefined while nobody listens. */
  watch(batch: IncomingBatch): WatchedBatch | undefined {
    if (this.#listeners.size === 0) return undefined;
    const { source, codec, bytes, receivedAtMicros, typeOfPath } = batch;
    return {
      source,
      json: codec === 'json' ? bytes.slice() : jsonOf(bytes),
      receivedAtMicros,
      ...(typeOfPath !== undefined && { typeOfPath }),
    };
  }

  /** Tells of a batch that is visible now. */
  publish(watched: WatchedBatch, rows: StagedRows): void {
    const firstSequence = rows.sequence;
    const batch = { ...watched, firstSequence, events: rows.count, hidden: hiddenOf(rows) };
    for (const listener of this.#listeners) listener(batch);
  }
}

function jsonOf(msgpack: Uint8Array): Uint8Array {
  const { bytes, length } = msgpackToJson(msgpack);
  return bytes.slice(0, length);
}

/** Positions in the batch of rows that no query sees. */
function hiddenOf({ segment, row, count }: StagedRows): number[] {
  const hidden: number[] = [];
  for (let index = 0; index < count; index += 1) {
    if (isHidden(segment, row + index)) hidden.push(index);
  }
  return hidden;
}

function isHidden({ words, plan }: SegmentFile, row: number): boolean {
  return (words[plan.maskOffset / 4 + (row >>> 5)]! & (1 << (row & 31))) !== 0;
}
