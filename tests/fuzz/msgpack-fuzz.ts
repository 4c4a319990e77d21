/**
 * The decoder's two ways held against each other: what it makes of a msgpack payload must be what it
 * makes of the JSON text of the same payload, in verdict, rows, rejections and warnings.
 *
 * Payloads are those of the JSON fuzzer that are valid, packed by msgpackr in each of its ways, then
 * damaged at the level of bytes and tokens more often than not. A case is a function of seed and number.
 */
import { isDeepStrictEqual } from 'node:util';
import { Packr } from 'msgpackr';
import { TributaryError } from '../../base/errors.ts';
import { seededRandom } from '../../base/random.ts';
import { msgpackToJson } from '../../engine/msgpack.ts';
import type { FuzzFailure, FuzzOptions, FuzzReport } from './decoder-fuzz.ts';
import { DecoderProbe, type Decoding, NOTHING, type ProbeOptions } from './decoder-probe.ts';
import { type FuzzCase, fuzzCase } from './payload-generator.ts';
import { below, pick, type Random } from './random-draw.ts';

const PACKRS = [
  new Packr({ useRecords: false }),
  new Packr({ useRecords: true }),
  new Packr({ useRecords: true, maxOwnStructures: 500 }),
  new Packr({ useRecords: false, variableMapSize: true, useFloat32: 1 }),
];
/** Tokens that change what follows, records and lengths above all. */
const TOKENS = [
  '80 81 8f 90 91 9f a0 a1 bf c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 ca cb cc cd ce cf',
  'd0 d1 d2 d3 d4 d5 d6 d7 d8 d9 da db dc dd de df e0 ff 00 22 40 41 60 7f',
  'd47240 d57260 d57240 d40000 d6ff00000000 d7ff a5626174 63 d4724090 d4724091a16101 c70cff',
]
  .join(' ')
  .split(' ')
  .map((token) => Buffer.from(token, 'hex'));
const PROGRESS_CASES = 50_000;

/** @param change makes a canary: what the msgpack way gives is changed before it is compared. */
export function fuzzMsgpack(
  options: Omit<FuzzOptions, 'oracle'>,
  change: (decoding: Decoding) => Decoding = (decoding) => decoding,
): FuzzReport {
  const { seed, first, cases, onProgress } = options;
  const probe = new DecoderProbe(options.directory);
  let [accepted, rows, hiddenRows] = [0, 0, 0];
  let failure: FuzzFailure | undefined;
  try {
    let done = 0;
    for (; done < cases && failure === undefined; done += 1) {
      const index = first + done;
      const { payload, ...options } = msgpackCase(seed, index);
      const { typeOfPath } = options;
      const decoding = change(probe.decode(payload, { ...options, codec: 'msgpack' }));
      const difference = compare(decoding, byText(probe, payload, options));
      if (difference !== '') failure = { index, payload, typeOfPath, difference };
      if (decoding.code === '') accepted += 1;
      rows += decoding.rows.length;
      hiddenRows += decoding.rejections.length;
      if ((done + 1) % PROGRESS_CASES === 0) onProgress?.(done + 1);
    }
    return { cases: done, accepted, rows, hiddenRows, failure };
  } finally {
    probe.close();
  }
}

function byText(probe: DecoderProbe, payload: Buffer, options: ProbeOptions): Decoding {
  try {
    const { bytes, length } = msgpackToJson(payload);
    return probe.decode(Buffer.from(bytes.subarray(0, length)), options);
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    return { code: error.code, ...NOTHING };
  }
}

function compare(decoding: Decoding, expected: Decoding): string {
  if (isDeepStrictEqual(decoding, expected)) return '';
  const show = (of: Decoding): string =>
    JSON.stringify(of, (_key, value) => (typeof value === 'bigint' ? `${value}` : value));
  return `${show(decoding)}, but by its text ${show(expected)}`;
}

/** Case `index` of `seed`. */
export function msgpackCase(seed: number, index: number): FuzzCase {
  const random = seededRandom(Math.imul(seed + 1, 0x85ebca6b) ^ Math.imul(index + 1, 0x9e3779b1));
  const { payload, ...fields } = fuzzCase(seed, index);
  let packed: Buffer = Buffer.from(pick(PACKRS, random).pack(valueFrom(payload, random)));
  const changes = random() < 0.45 ? 0 : 1 + Math.floor(random() ** 3 * 6);
  for (let change = 0; change < changes; change += 1) packed = damaged(packed, random);
  return { payload: packed, ...fields };
}

/** What a JSON text says, with some of the values that only msgpack has. */
function valueFrom(json: Buffer, random: Random): unknown {
  try {
    return JSON.parse(json.toString('utf8'), (key, value: unknown) =>
      key !== 'batch' && random() < 0.02 ? special(random) : value,
    );
  } catch {
    return { type: 'page', userId: special(random), context: { ip: special(random) } };
  }
}

function special(random: Random): unknown {
  return pick(
    [
      ...[undefined, null, true, Number.NaN, -0, 1.5, 2 ** 40, 2n ** 63n, -(2n ** 63n), 'x'],
      ...[new Date(1772366400000), new Date(Number.NaN), Buffer.from([0, 255]), Buffer.alloc(0)],
      ...[new Map<unknown, unknown>([[1, 2]]), new Map<unknown, unknown>([[null, '"']]), [], {}],
    ],
    random,
  );
}

function damaged(payload: Buffer, random: Random): Buffer {
  const at = below(payload.length + 1, random);
  const kind = random();
  if (kind < 0.2) return payload.subarray(0, at);
  const removed = kind < 0.5 ? below(4, random) : 0;
  const inserted = kind < 0.3 ? Buffer.alloc(0) : pick(TOKENS, random);
  return Buffer.concat([payload.subarray(0, at), inserted, payload.subarray(at + removed)]);
}
