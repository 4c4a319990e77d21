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
import { HotStore } from '../../engine/hot-store.ts';
import type { StagedRejection, StagedWarning } from '../../engine/staged-rows.ts';
import { type Codec, EVENT_TYPES } from '../../engine/types.ts';
import { parseIpAddress } from '../../ingest/ip-address.ts';
import { DirectStaging } from '../support/direct-staging.ts';
import { type Row, readRows } from '../support/read-rows.ts';

/** When all probed payloads arrive, microseconds: 2026-03-01T12:00:00Z. */
export const RECEIVED_AT_MICROS = Date.UTC(2026, 2, 1, 12) * 1000;
export const SOURCE_NAME = 'web';

/** Of the first event of every payload, so that the same payload gives the same rows. */
const SEQUENCE = 1000;
/** Where payloads come from, if anywhere. */
const SENDER = '2001:db8::9';
const SENDER_ADDRESS = parseIpAddress(SENDER)!;
const PADDING_BYTES = 64;
const PADDING = Buffer.alloc(PADDING_BYTES, '}],"');
const HOT_BYTES_MAX = 1024 * MIB;

export interface ProbeOptions {
  /** As in StagerInput; unless given the path names none. */
  readonly typeOfPath?: number;
  readonly codec?: Codec;
  /** Whether the payload comes from an address. */
  readonly hasSender?: boolean;
}

export interface Decoding {
  /** Empty when the payload was accepted, else the code of the refusal. */
  readonly code: string;
  /** Of the first row. */
  readonly sequence: number;
  /** The address that events without an ip got. */
  readonly sender?: string | undefined;
  readonly rows: readonly Row[];
  /** Positions in the payload of the rejected events. */
  readonly rejected: readonly number[];
  /** Positions of the events of which half surrogate pairs were replaced. */
  readonly repaired: readonly number[];
  readonly rejections: readonly StagedRejection[];
  readonly warnings: readonly StagedWarning[];
}

/** What a refused payload leaves. */
export const NOTHING: Omit<Decoding, 'code'> = Object.freeze({
  ...{ sequence: SEQUENCE, rows: [], rejected: [], repaired: [], rejections: [], warnings: [] },
});

export class DecoderProbe {
  readonly #directory: string;
  #hot: HotStore;
  #staging: DirectStaging;
  #generation = 0;

  /** @param directory exists; the caller removes it after `close`. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#hot = this.#openStore();
    this.#staging = new DirectStaging(this.#hot.events);
  }

  decode(payload: Buffer, { typeOfPath, codec, hasSender }: ProbeOptions = {}): Decoding {
    if (this.#hot.events.segments.length > 1) this.#renew();
    const memory = Buffer.allocUnsafeSlow(payload.length + PADDING_BYTES);
    memory.set(payload);
    memory.set(PADDING, payload.length);
    const before = this.#hot.events.stagedRows;
    const sender = hasSender === true ? SENDER : undefined;
    try {
      const staged = this.#staging.stage(codec ?? 'json', memory, payload.length, {
        sequence: SEQUENCE,
        receivedAtMicros: RECEIVED_AT_MICROS,
        sourceName: SOURCE_NAME,
        typeOfPath: typeOfPath ?? EVENT_TYPES.length,
        senderAddress: sender === undefined ? undefined : SENDER_ADDRESS,
      });
      const { rejections, warnings } = staged;
      return {
        code: '',
        sequence: SEQUENCE,
        sender,
        rows: readRows(staged.segment, staged.row),
        rejected: rejections.map(({ index }) => index),
        repaired: warnings.flatMap(({ code, index }) =>
          code === 'surrogate_replaced' ? [index] : [],
        ),
        rejections,
        warnings,
      };
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      if (this.#hot.events.stagedRows !== before) throw new Error('a refused payload left rows');
      return { code: error.code, ...NOTHING };
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
    this.#staging = new DirectStaging(this.#hot.events);
  }
}
