/**
 * Events to identity by the shortest way that is still the real one: the native decoder writes rows, the
 * index finds their nodes, the graph folds them. Segments are dropped once they are full.
 */
import { LIMITS } from '../base/limits.ts';
import { GIB } from '../base/units.ts';
import { DECODE_SEGMENT_FULL } from '../engine/decode-codes.ts';
import { HotStore } from '../engine/hot-store.ts';
import { EVENT_TYPES } from '../engine/types.ts';
import { IdentityGraph } from '../identity/identity-graph.ts';
import { native } from '../native/index.ts';
import type { SegmentFile } from '../storage/segment-file.ts';
import { WAL_CODEC, WAL_PAYLOAD_SLACK_BYTES } from '../storage/wal-format.ts';

const HOT_BYTES_MAX = 4 * GIB;
const SECRET = Buffer.alloc(16, 7);
const RECEIVED_AT_MICROS = Date.UTC(2026, 0, 5, 8) * 1000;
/** Between batches. */
const INTERVAL_MICROS = 1000;

export class DirectRows {
  readonly identity: IdentityGraph;
  readonly #hot: HotStore;
  readonly #decoder = new native.Decoder(LIMITS);
  readonly #result = new Uint32Array(2);
  readonly #room = new Uint8Array(LIMITS.batchBytesMax + WAL_PAYLOAD_SLACK_BYTES);
  #sequence = 1;
  #receivedAtMicros = RECEIVED_AT_MICROS;
  #timestampWords: Int32Array;
  #anchors: Uint32Array;

  /** @param directory where nothing is yet. */
  constructor(directory: string) {
    this.#hot = new HotStore(directory, HOT_BYTES_MAX);
    const edges = { append() {}, appendMerge() {} };
    this.identity = new IdentityGraph({ directory, secret: SECRET, edges });
    this.#decoder.attach(this.#hot.events.activeRegion);
    [this.#timestampWords, this.#anchors] = viewsOf(this.#hot.events.activeSegment);
  }

  /** Takes a batch, all of whose events must be accepted. */
  take(payload: Uint8Array): void {
    const { events } = this.#hot;
    this.#room.set(payload);
    if (this.#decode(payload.length) === DECODE_SEGMENT_FULL) {
      events.sealAndRotate();
      events.setCold(events.publishedRows, 1);
      this.#decoder.attach(events.activeRegion);
      [this.#timestampWords, this.#anchors] = viewsOf(events.activeSegment);
      this.#decode(payload.length);
    }
    const [count, notes] = this.#result;
    if (count === 0 || notes !== 0) throw new Error('an event was not accepted');
    this.identity.prepare(count!, payload.length);
    this.identity.resolve({
      segment: events.activeRegion,
      row: events.activeSegment.stagedRows - count!,
      count: count!,
      sequence: this.#sequence,
      receivedAtMicros: this.#receivedAtMicros,
      timestampWords: this.#timestampWords,
      anchors: this.#anchors,
    });
    this.identity.publish();
    events.publishTo(events.stagedRows);
    this.#sequence += count!;
    this.#receivedAtMicros += INTERVAL_MICROS;
  }

  close(): void {
    this.identity.close();
    this.#hot.close();
  }

  #decode(length: number): number {
    return this.#decoder.decode(
      WAL_CODEC.json,
      this.#room,
      length,
      this.#sequence,
      this.#receivedAtMicros,
      'bench',
      EVENT_TYPES.length,
      null,
      this.#result,
    );
  }
}

function viewsOf(segment: SegmentFile): [timestampWords: Int32Array, anchors: Uint32Array] {
  const timestamp = segment.plan.columns.find(({ name }) => name === 'timestamp')!;
  const words = segment.region.window(timestamp.valuesOffset, 8 * segment.plan.rowCapacity);
  return [new Int32Array(words), segment.u32Column('anchor')];
}
