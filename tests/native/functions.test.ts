import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { ProfileIds } from '../../identity/profile-ids.ts';
import { SharedArray } from '../../storage/shared-array.ts';
import { type HotFixture, openDuckDb, openHotFixture, rowsOf } from './scan-harness.ts';

/** The lowest bit above an ordinal. */
const HIGH = 2 ** 28;
const USER_ID = 1;
const KEY = Buffer.from('the key of tests');
/** Of the profiles 1 and 2. */
const ID = new ProfileIds(KEY).textOf(1);
const LOW_ID = new ProfileIds(KEY).textOf(2);

describe('profile functions', () => {
  let duckdb: DuckDBConnection;
  let fixture: HotFixture;
  const arrays: { close(): void }[] = [];
  const rows = (sql: string) => rowsOf(duckdb, sql);

  before(async () => {
    duckdb = await openDuckDb();
  });
  beforeEach(() => {
    fixture = openHotFixture();
  });
  afterEach(() => {
    for (const array of arrays.splice(0)) array.close();
    fixture.close();
  });
  after(() => duckdb.closeSync());

  function array<Type extends 'u32' | 'i64' | 'u64'>(
    name: string,
    type: Type,
    values: readonly number[],
  ): SharedArray<Type> {
    const made = SharedArray.create({ directory: fixture.directory, name, type, capacity: 1000 });
    arrays.push(made);
    made.ensure(values.length);
    for (const [index, value] of values.entries()) {
      const elements: Uint32Array | BigInt64Array | BigUint64Array = made.values;
      if (elements instanceof Uint32Array) elements[index] = value;
      else elements[index] = BigInt(value);
    }
    made.publish(values.length);
    return made;
  }

  function bytes(name: string, elementBytes: number, content: Uint8Array): void {
    const made = SharedArray.create({
      directory: fixture.directory,
      name,
      type: 'bytes',
      elementBytes,
      capacity: 1000,
    });
    arrays.push(made);
    const count = content.length / elementBytes;
    made.ensure(count);
    made.window(0, count).set(content);
    made.publish(count);
  }

  /** So many profiles, whose ids are made with KEY. */
  function profileIds(profiles: number): void {
    bytes('profile_key', 16, KEY);
    array('profile_heads', 'u32', new Array(profiles + 1).fill(0));
  }

  /** The block of the first 28 nodes: where they start, and where each ends from there. */
  function nodeBlock(start: number, ends: readonly number[]): Uint8Array {
    const block = new DataView(new ArrayBuffer(64));
    block.setBigUint64(0, BigInt(start), true);
    for (const [place, end] of ends.entries()) block.setUint16(8 + 2 * place, end, true);
    return new Uint8Array(block.buffer);
  }

  function typeNames(...names: readonly string[]): Uint8Array {
    const content = Buffer.alloc(64 * names.length);
    for (const [index, name] of names.entries()) content.write(name, 64 * index);
    return content;
  }

  it('missing files make empty results', async () => {
    assert.deepEqual(await rows(`SELECT profile_of(1::UINTEGER), profile_id(1::UINTEGER)`), [
      [null, null],
    ]);
    assert.deepEqual(await rows(`SELECT * FROM hot_profiles()`), []);
    assert.deepEqual(await rows(`SELECT count(*) FROM hot_profiles()`), [[0n]]);
  });

  it('files that come later are found', async () => {
    await rows(`SELECT profile_of(1::UINTEGER)`);
    array('profile_of', 'u32', [0, 7]);
    assert.deepEqual(await rows(`SELECT profile_of(1::UINTEGER)`), [[7]]);
  });

  it('profile_of answers published anchors, and NULL for every other value', async () => {
    const profileOf = array('profile_of', 'u32', [9, 5, 0, 6]);
    const sql = `SELECT profile_of(anchor::UINTEGER)
      FROM (VALUES (0), (1), (2), (3), (4), (999), (1000), (4294967295), (NULL)) AS given(anchor)`;
    const expected = [null, 5, null, 6, null, null, null, null, null];
    assert.deepEqual((await rows(sql)).flat(), expected);
    profileOf.values[1] = 6;
    assert.deepEqual((await rows(sql)).flat()[1], 6);
  });

  it('profile_id gives the UUID of the bytes, in text and in order', async () => {
    profileIds(2);
    const sql = `SELECT profile_id(profile::UINTEGER)::VARCHAR
      FROM (VALUES (1), (2), (0), (3), (4294967295), (NULL)) AS given(profile)`;
    assert.deepEqual((await rows(sql)).flat(), [ID, LOW_ID, null, null, null, null]);
    assert.deepEqual(
      await rows(`SELECT profile_id(1::UINTEGER) = '${ID}'::UUID,
        profile_id(2::UINTEGER) < profile_id(1::UINTEGER)`),
      [[true, LOW_ID < ID]],
    );
  });

  it('hot_profiles shows live profiles, with user ids of every length', async () => {
    bytes('profile_key', 16, KEY);
    // Above the head: how many anchors.
    array('profile_heads', 'u32', [0, 2 * HIGH + 1, 1, HIGH + 3]);
    // Of each anchor: events; next, node, and above them the type; first and last seen as two words each.
    const records = [
      [0, 0, 0],
      [9, 2, USER_ID * HIGH + 1],
      [2, 1, 2 * HIGH],
      [12, 3, 2 * HIGH],
    ];
    array('anchor_records', 'u32', records.flat());
    const seen = [
      [0, 0],
      [1_500_000, 2_000_000],
      [1_000_000, 1_200_000],
      [3_000_000, 4_000_000],
    ];
    array(
      'anchor_times',
      'u32',
      seen.flatMap(([first, last]) => [first!, 0, last!, 0]),
    );
    const value = 'a user id of more than twelve bytes, ü';
    const entry = Buffer.from(`\u0002${value}`);
    bytes('node_values', 64, nodeBlock(8, [entry.length]));
    bytes('identifier_types', 64, typeNames('', 'user_id', 'anonymous_id'));
    bytes('identifier_values', 1, Buffer.concat([Buffer.alloc(8), entry]));
    assert.deepEqual(
      await rows(`SELECT node, identifier_type(node::UINTEGER), identifier_value(node::UINTEGER)
        FROM (VALUES (0), (1), (2), (NULL)) AS given(node)`),
      [
        [0, null, null],
        [1, 'anonymous_id', value],
        [2, null, null],
        [null, null, null],
      ],
    );
    assert.deepEqual(await rows(`SELECT * FROM hot_profiles() ORDER BY profile`), [
      [1, ID, value, 2, '1970-01-01 00:00:01+00', '1970-01-01 00:00:02+00', 11],
      [
        3,
        new ProfileIds(KEY).textOf(3),
        null,
        1,
        '1970-01-01 00:00:03+00',
        '1970-01-01 00:00:04+00',
        12,
      ],
    ]);
    assert.deepEqual(await rows(`SELECT count(*), sum(event_count) FROM hot_profiles()`), [
      [2n, 23n],
    ]);
  });

  it('hot_anchors shows anchors that have a profile, and which takes the events of its node', async () => {
    assert.deepEqual(await rows(`SELECT * FROM hot_anchors()`), []);
    const CLOSED = HIGH;
    const ATTENTION = 2 ** 31;
    array('profile_of', 'u32', [0, 5, 5, 0, 6, 7]);
    array('anchor_records', 'u32', [
      ...[0, 0, 0],
      ...[9, 2, USER_ID * HIGH + 1],
      ...[2, 1 + HIGH, 2 + 2 * HIGH],
      ...[0, 0, 0],
      ...[0, 4, 2 + 2 * HIGH],
      ...[1, 5, 3 + 2 * HIGH],
    ]);
    const seen = [0, 1_500_000, 1_000_000, 0, 0, 3_000_000];
    array(
      'anchor_times',
      'u32',
      seen.flatMap((first) => [first, 0, first + 1, 0]),
    );
    // From anchor 1 on the first minute since 1970, from 4 on the third.
    array('anchor_minutes', 'u32', [1, 1, 4, 3]);
    array('node_anchors', 'u32', [0, ATTENTION + 1, 4, CLOSED + 5]);
    assert.deepEqual(await rows(`SELECT * FROM hot_anchors()`), [
      [
        ...[1, 5, 1, true, '1970-01-01 00:01:00+00'],
        ...['1970-01-01 00:00:01.5+00', '1970-01-01 00:00:01.500001+00', 9],
      ],
      [
        ...[2, 5, 2, false, '1970-01-01 00:01:00+00'],
        ...['1970-01-01 00:00:01+00', '1970-01-01 00:00:01.000001+00', 2],
      ],
      [4, 6, 2, true, '1970-01-01 00:03:00+00', null, null, 0],
      [
        ...[5, 7, 3, false, '1970-01-01 00:03:00+00'],
        ...['1970-01-01 00:00:03+00', '1970-01-01 00:00:03.000001+00', 1],
      ],
    ]);
    assert.deepEqual(await rows(`SELECT count(*) FROM hot_anchors()`), [[4n]]);
  });

  it('a damaged node value is NULL, never a read outside the file', async () => {
    array('profile_heads', 'u32', [0, HIGH + 1, HIGH + 2, HIGH + 3]);
    const node = (number: number): number[] => [0, 0, USER_ID * HIGH + number];
    array('anchor_records', 'u32', [...node(0), ...node(1), ...node(2), ...node(4_000_000)]);
    array('anchor_times', 'u32', new Array(16).fill(0));
    // An end behind that of the file; then one before its start, as also after a start of anything.
    bytes('node_values', 64, nodeBlock(2 ** 52, [17, 16]));
    bytes('identifier_values', 1, new Uint8Array(16).fill(255));
    assert.deepEqual(await rows(`SELECT user_id FROM hot_profiles()`), [[null], [null], [null]]);
  });

  it('many profiles come from many units, each once', async () => {
    const count = 300_000;
    const make = (name: string, elementBytes: number) => {
      const made = SharedArray.create({
        directory: fixture.directory,
        name,
        type: 'bytes',
        elementBytes,
        capacity: count,
      });
      arrays.push(made);
      made.ensure(count);
      made.publish(count);
      return made;
    };
    const heads = make('profile_heads', 4).window(0, count);
    new Uint32Array(heads.buffer, heads.byteOffset, count).fill(HIGH);
    assert.deepEqual(
      await rows(`SELECT count(*), count(DISTINCT profile), min(profile), max(profile)
        FROM hot_profiles()`),
      [[BigInt(count - 1), BigInt(count - 1), 1, count - 1]],
    );
  });
});
