/**
 * What a batch costs to decode, by the format it is written in: the same events as JSON, NDJSON, msgpack
 * with maps and msgpack with records, each into hot segments of its own.
 *
 * Measured as the write path does it: the body is copied to where payloads lie, NDJSON is made a batch,
 * and rows are staged; nothing is logged or applied. The formats take turns batch by batch, so that
 * whatever else the machine does falls on all of them; the figure is the median batch.
 */
import { performance } from 'node:perf_hooks';
import { LIMITS } from '../base/limits.ts';
import { GIB } from '../base/units.ts';
import { DECODE_SEGMENT_FULL } from '../engine/decode-codes.ts';
import { HotStore } from '../engine/hot-store.ts';
import { EVENT_TYPES } from '../engine/types.ts';
import { native } from '../native/index.ts';
import { WAL_CODEC, WAL_PAYLOAD_SLACK_BYTES } from '../storage/wal-format.ts';
import { type BatchFormat, FORMATS } from './batch-formats.ts';
import { BATCH_EVENTS } from './engine-run.ts';
import { type EventBatch, generateBatches } from './event-generator.ts';
import { median } from './statistics.ts';
import type { Workload } from './workload.ts';

const EVENTS = 200_000;
const HOT_BYTES_MAX = 16 * GIB;
const RECEIVED_AT_MICROS = Date.UTC(2026, 0, 8) * 1000;

export const decodeFormats: Workload = {
  name: 'decode-formats',
  summary: 'the same events decoded from JSON, NDJSON and msgpack; against JSON',
  async run({ options, scratch, report, progress }) {
    const { seed, rounds, events = EVENTS } = options;
    progress(`writing ${events} events in ${FORMATS.length} formats`);
    const batches = [...generateBatches({ seed, events, batchEvents: BATCH_EVENTS })];
    const lanes = FORMATS.map((format) => new Lane(format, batches));
    for (let round = 1; round <= rounds; round += 1) {
      const directories = lanes.map((lane) => scratch.hotPath(lane.format.name));
      for (const [index, lane] of lanes.entries()) lane.open(directories[index]!);
      for (const [index, batch] of batches.entries()) {
        for (const lane of lanes) lane.decode(index, batch.events);
      }
      for (const lane of lanes) lane.close();
      for (const directory of directories) scratch.discard(directory);
      progress(
        `round ${round}: ${lanes.map(({ name, nanoseconds }) => `${name} ${Math.round(nanoseconds)}`).join(', ')} ns/event`,
      );
    }
    const json = { name: 'json', value: lanes[0]!.nanoseconds };
    for (const lane of lanes) {
      const { name, nanoseconds: value, bytesPerEvent } = lane;
      const bytes = { unit: 'bytes', higherIsBetter: false };
      const time = { unit: 'ns', higherIsBetter: false };
      report({ metric: `${name}_per_event`, value, ...time, peer: json });
      report({ metric: `${name}_bytes_per_event`, value: bytesPerEvent, ...bytes });
    }
  },
};

/** One format: its bodies, the segments they are decoded into, and the time that took. */
class Lane {
  readonly format: BatchFormat;
  readonly name: string;
  readonly bytesPerEvent: number;
  readonly #bodies: readonly Uint8Array[];
  /** Of each batch so far, per event. */
  readonly #nanoseconds: number[] = [];
  readonly #room: Uint8Array;
  #hot: HotStore | undefined;
  readonly #decoder = new native.Decoder(LIMITS);
  readonly #result = new Uint32Array(2);

  constructor(format: BatchFormat, batches: readonly EventBatch[]) {
    this.format = format;
    this.name = format.name;
    this.#bodies = batches.map((batch) => format.write(batch));
    const bytes = this.#bodies.reduce((sum, { length }) => sum + length, 0);
    this.bytesPerEvent = bytes / batches.reduce((sum, { events }) => sum + events, 0);
    // The lines of NDJSON grow a little when they become a batch.
    const longest = Math.max(...this.#bodies.map(({ length }) => 2 * length));
    this.#room = new Uint8Array(longest + WAL_PAYLOAD_SLACK_BYTES);
  }

  /** Nanoseconds an event, of the median batch. */
  get nanoseconds(): number {
    return median(this.#nanoseconds);
  }

  open(directory: string): void {
    this.#hot = new HotStore(directory, HOT_BYTES_MAX);
    this.#decoder.attach(this.#hot.events.activeRegion);
  }

  decode(index: number, events: number): void {
    const startMs = performance.now();
    const payload = this.format.prepare(this.#bodies[index]!);
    this.#room.set(payload);
    const failure = this.#stage(payload.length, 1 + index * BATCH_EVENTS);
    this.#nanoseconds.push(((performance.now() - startMs) * 1e6) / events);
    const [count, notes] = this.#result;
    if (failure !== 0 || count !== events || notes !== 0) {
      throw new Error('an event was not accepted');
    }
  }

  close(): void {
    this.#hot?.close();
  }

  #stage(length: number, sequence: number): number {
    const decode = (): number =>
      this.#decoder.decode(
        WAL_CODEC[this.format.codec],
        this.#room,
        length,
        sequence,
        RECEIVED_AT_MICROS,
        'bench',
        EVENT_TYPES.length,
        null,
        this.#result,
      );
    const failure = decode();
    if (failure !== DECODE_SEGMENT_FULL) return failure;
    const { events } = this.#hot!;
    events.sealAndRotate();
    this.#decoder.attach(events.activeRegion);
    return decode();
  }
}
