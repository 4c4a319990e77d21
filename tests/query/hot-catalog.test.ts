/** The appliance's own relations, over a hot directory and through a worker process. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ProfileIds } from '../../identity/profile-ids.ts';
import { HOT_CATALOG } from '../../query/catalog.ts';
import type { SqlService } from '../../query/sql-service.ts';
import { DEAD_LETTERS_SCHEMA } from '../../storage/dead-letters-schema.ts';
import { EDGES_SCHEMA } from '../../storage/edges-schema.ts';
import { EVENTS_SCHEMA } from '../../storage/events-schema.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import { MERGES_SCHEMA } from '../../storage/merges-schema.ts';
import { SharedArray } from '../../storage/shared-array.ts';
import { WARNINGS_SCHEMA } from '../../storage/warnings-schema.ts';
import { type HotFixture, openHotFixture } from '../native/scan-harness.ts';
import { ask, openService, rowsOf } from './sql-fixture.ts';

const NEW_YEAR_MICROS = Date.UTC(2026, 0, 1) * 1000;
const KEY = Buffer.from('the key of tests');
const ID = new ProfileIds(KEY).textOf(1);
const OTHER_ID = new ProfileIds(KEY).textOf(2);

function position(name: string): number {
  return EVENTS_SCHEMA.columns.findIndex((column) => column.name === name);
}

interface Sample {
  readonly type: string;
  readonly second: number;
  readonly anchor: number;
  readonly traits?: string;
}

let sequence = 0;

function append(events: HotTable, sample: Sample): void {
  sequence += 1;
  const row = events.beginRow(500);
  row.setU64(position('sequence'), sequence);
  row.setDictionary(position('type'), sample.type);
  row.setU32(position('anchor'), sample.anchor);
  for (const name of ['timestamp', 'received_at']) {
    row.setTimestamp(position(name), NEW_YEAR_MICROS + sample.second * 1_000_000);
  }
  if (sample.traits !== undefined) row.setJson(position('traits'), sample.traits);
  row.endRow();
}

/** Anchors 1 and 2 are of profile 1, anchor 3 of profile 2. */
function publishProfiles(context: TestContext, directory: string): void {
  const capacity = 100;
  const profileOf = SharedArray.create({ directory, name: 'profile_of', type: 'u32', capacity });
  profileOf.ensure(4);
  profileOf.values.set([0, 1, 1, 2]);
  profileOf.publish(4);
  const key = SharedArray.create({
    directory,
    name: 'profile_key',
    type: 'bytes',
    elementBytes: 16,
    capacity: 1,
  });
  key.ensure(1);
  key.window(0, 1).set(KEY);
  key.publish(1);
  const heads = SharedArray.create({ directory, name: 'profile_heads', type: 'u32', capacity });
  heads.ensure(3);
  heads.publish(3);
  context.after(() => {
    profileOf.close();
    heads.close();
    key.close();
  });
}

async function openHotService(
  context: TestContext,
): Promise<{ fixture: HotFixture; events: HotTable; service: SqlService }> {
  const fixture = openHotFixture();
  context.after(() => fixture.close());
  sequence = 0;
  const events = fixture.table(EVENTS_SCHEMA, 100);
  for (const schema of [EDGES_SCHEMA, MERGES_SCHEMA, DEAD_LETTERS_SCHEMA, WARNINGS_SCHEMA]) {
    fixture.table(schema, 100);
  }
  publishProfiles(context, fixture.directory);
  const service = await openService(context, {
    settings: { hotDirectory: fixture.directory, catalog: HOT_CATALOG },
  });
  return { fixture, events, service };
}

test('a query sees what was published before it, and nothing later', async (context) => {
  const { events, service } = await openHotService(context);
  const count = 'SELECT count(*) FROM events';
  assert.deepEqual(await rowsOf(service, count), [[0]]);
  append(events, { type: 'track', second: 0, anchor: 1 });
  append(events, { type: 'track', second: 1, anchor: 3 });
  assert.deepEqual(await rowsOf(service, count), [[0]]);
  events.publishTo(1);
  assert.deepEqual(await rowsOf(service, count), [[1]]);
  events.publishTo(2);
  assert.deepEqual(
    await rowsOf(service, 'SELECT sequence, type, profile_id, timestamp FROM events ORDER BY 1'),
    [
      [1, 'track', ID, '2026-01-01T00:00:00Z'],
      [2, 'track', OTHER_ID, '2026-01-01T00:00:01Z'],
    ],
  );
});

test('every relation of the catalogue can be described and read', async (context) => {
  const { service } = await openHotService(context);
  const tables = (await rowsOf(service, 'SHOW TABLES')).flat();
  assert.deepEqual(tables, HOT_CATALOG.relations.map((relation) => relation.name).sort());
  for (const table of tables) {
    const rows = await rowsOf(service, `SELECT * FROM ${table}`);
    assert.equal(
      rows.length > 0,
      table === 'system_queries',
      `${table}, which lists this statement`,
    );
    assert.ok((await rowsOf(service, `DESCRIBE ${table}`)).length > 3);
  }
  const columns = (await rowsOf(service, 'DESCRIBE events')).map(([name]) => name);
  assert.deepEqual(
    EVENTS_SCHEMA.columns.map((column) => column.name).filter((name) => !columns.includes(name)),
    [],
  );
  assert.equal(columns.includes('profile'), false);
});

test('segments outside the time or sequence a statement asks for are skipped', async (context) => {
  const { events, service } = await openHotService(context);
  for (let second = 0; second < 400; second += 1) {
    append(events, { type: 'track', second, anchor: 1 });
  }
  events.publishTo(400);
  const costs = async (where: string): Promise<[unknown, number]> => {
    const answer = await ask(service, `SELECT count(*) FROM events WHERE ${where}`);
    assert.equal(answer.error, null);
    return [JSON.parse(answer.text).rows[0][0], answer.statistics?.segmentsSkipped ?? -1];
  };
  assert.deepEqual(await costs('true'), [400, 0]);
  assert.deepEqual(await costs("timestamp >= '2026-01-01T00:05:00Z'"), [100, 3]);
  assert.deepEqual(
    await costs("timestamp BETWEEN '2026-01-01 00:01:40' AND '2026-01-01 00:03:19'"),
    [100, 3],
  );
  assert.deepEqual(
    await costs('timestamp < now() - INTERVAL 1 DAY AND now() IS NOT NULL'),
    [400, 0],
  );
  assert.deepEqual(await costs("received_at < DATE '2026-01-01'"), [0, 3]);
  const [rows] = await costs('sequence > 350');
  assert.equal(rows, 50);
  assert.deepEqual(await costs('true'), [400, 0]);
});

test('the newest value of a trait wins by time, then sequence; null removes it', async (context) => {
  const { events, service } = await openHotService(context);
  const identify = (second: number, anchor: number, traits: string): void => {
    append(events, { type: 'identify', second, anchor, traits });
  };
  identify(10, 1, '{"plan": "free", "age": 5, "city": "Bern"}');
  identify(20, 2, '{"plan": "pro"}');
  identify(5, 1, '{"plan": "old", "city": "Rome"}');
  identify(20, 1, '{"plan": "max", "age": null}');
  identify(1, 3, '{"plan": "free"}');
  append(events, { type: 'track', second: 99, anchor: 1, traits: '{"plan": "none"}' });
  events.publishTo(6);
  const sql = 'SELECT profile_id, trait, value FROM profile_traits ORDER BY 1 DESC, 2';
  assert.deepEqual(await rowsOf(service, sql), [
    [ID, 'city', 'Bern'],
    [ID, 'plan', 'max'],
    [OTHER_ID, 'plan', 'free'],
  ]);
});

test('the inside of the catalogue and the files of the worker stay out of reach', async (context) => {
  const { fixture, service } = await openHotService(context);
  for (const sql of [
    "SELECT * FROM hot_scan('events')",
    'SELECT * FROM duckdb_settings()',
    'SELECT sql FROM duckdb_views()',
    `SELECT * FROM '${fixture.directory}/registry'`,
  ]) {
    const { error } = await ask(service, sql);
    assert.ok(error !== null, sql);
  }
  const plan = JSON.stringify(await rowsOf(service, 'EXPLAIN ANALYZE SELECT * FROM events'));
  assert.equal(plan.includes(fixture.directory), false);
});
