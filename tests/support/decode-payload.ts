/** One payload at a time through the decoder, and the rows it became. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { StagedRows } from '../../engine/staged-rows.ts';
import { type Codec, EVENT_TYPES } from '../../engine/types.ts';
import { type DirectFields, DirectStaging } from './direct-staging.ts';
import { temporaryHotStore } from './hot-fixture.ts';
import { type Row, readRows } from './read-rows.ts';

export interface Decoded {
  readonly staged: StagedRows;
  readonly rows: Row[];
}

/** @throws TRIBUTARY_INGEST_* for a payload that is refused. */
export type Decode = (
  payload: string | Uint8Array,
  fields?: Partial<DirectFields>,
  codec?: Codec,
) => Decoded;

const FIELDS: DirectFields = {
  sequence: 1,
  receivedAtMicros: 1_772_366_400_000_000,
  sourceName: 'web',
  typeOfPath: EVENT_TYPES.length,
};

/** A decoder over hot storage of its own, which goes with the test. */
export function openDecoder(context: TestContext): Decode {
  const staging = new DirectStaging(temporaryHotStore(context).events);
  return (payload, fields = {}, codec = 'json') => {
    const bytes = Buffer.concat([Buffer.from(payload), Buffer.alloc(64)]);
    const length = bytes.length - 64;
    const staged = staging.stage(codec, bytes, length, { ...FIELDS, ...fields });
    assert.deepEqual(bytes.subarray(0, length), Buffer.from(payload), 'the log keeps what came');
    return { staged, rows: readRows(staged.segment, staged.row) };
  };
}
