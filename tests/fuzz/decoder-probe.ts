/**
 * The decoder without the rest of the write path, for millions of payloads: rows go to hot segments that
 * are thrown away when they are full.
 *
 * The payload is put at the very end of its memory, but for the padding the decoder asks for, and the
 * padding is filled with what would be read as JSON: a read past the end changes the verdict, and under
 * AddressSanitizer stops the process.
 */
import { join } from 'node:path';
import { TributaryError } from '../../base/errors.ts';
import { MIB } from '../../base/units.ts';
import { EventStaging } from '../../engine/event-staging.ts';
import { HotStore } from '../../engine/hot-store.ts';
import { EVENT_TYPES } from '../../engine/types.ts';
import { type Row, readRows } from '../support/read-rows.ts';

/** When all probed payloads arrive, microseconds: 2026-03-01T12:00:00Z. */
export const RECEIVED_AT_MICROS = Date.UTC(2026, 2, 1, 12) * 1000;
export const SOURCE_NAME = 'web';

const PADDING_BYTES = 64;
const PADDING = Buffer.alloc(PADDING_BYTES, '}],"');
const HOT_BYTES_MAX = 1024 * MIB;

export interface Decoding {
  /** Empty when the payload was accepted, else the code of the refusal. */
  readonly code: string;
  /** Of the first row. */
  readonly sequence: number;
  readonly rows: readonly Row[];
  /** Positions in the payload of the rejected events. */
  readonly rejected: readonly number[];
  /** Positions of the events of which half surrogate pairs were replaced. */
  readonly repaired: readonly number[];
}

export class DecoderProbe {
  readonly #directory: string;
  #hot: HotStore;
  #staging: EventStaging;
  #sequence = 1;
  #generation = 0;

  /** @param directory exists; the caller removes it after `close`. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#hot = this.#openStore();
    this.#staging = new EventStaging(this.#hot.events);
  }

  /** @param typeOfPath as in BatchFields; by default the path names none. */
  decode(payload: Buffer, typeOfPath: number = EVENT_TYPES.length): Decoding {
    if (this.#hot.events.segments.length > 1) this.#renew();
    const memory = Buffer.allocUnsafeSlow(payload.length + PADDING_BYTES);
    memory.set(payload);
    memory.set(PADDING, payload.length);
    const sequence = this.#sequence;
    const before = this.#hot.events.stagedRows;
    try {
      const staged = this.#staging.stage('json', memory, 0, payload.length, {
        sequence,
        receivedAtMicros: RECEIVED_AT_MICROS,
        sourceName: SOURCE_NAME,
        typeOfPath,
      });
      this.#sequence += staged.count;
      return {
        code: '',
        sequence,
        rows: readRows(staged.segment, staged.row),
        rejected: staged.rejections.map(({ index }) => index),
        repaired: staged.warnings.flatMap(({ code, index }) =>
          code === 'surrogate_replaced' ? [index] : [],
        ),
      };
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      if (this.#hot.events.stagedRows !== before) throw new Error('a refused payload left rows');
      return { code: error.code, sequence, rows: [], rejected: [], repaired: [] };
    }
  }

  close(): void {
    this.#hot.close();
  }

  #openStore(): HotStore {
    this.#generation += 1;
    return new HotStore(join(this.#directory, `hot-${this.#generation}`), HOT_BYTES_MAX);
  }

  #renew(): void {
    this.#hot.close();
    this.#hot = this.#openStore();
    this.#staging = new EventStaging(this.#hot.events);
  }
}
