/** Hot rows and cold files as one table, through a worker process, against a naive model. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { native } from '../../native/index.ts';
import { type CatalogRelation, HOT_CATALOG, selectOver } from '../../query/catalog.ts';
import { pruneFiles, tieredSource } from '../../query/cold-source.ts';
import { type HeldSnapshots, TableSnapshots } from '../../query/table-snapshots.ts';
import { type ColdColumn, type ColdFile, coldFileOf } from '../../storage/cold-list.ts';
import type { LakeSchema } from '../../storage/lake/schema.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { ask, CollectingSink, requestOf, rowsOf } from './sql-fixture.ts';
import { TieredEvents } from './tiered-events.ts';

test('each row is seen once wherever the line between hot and cold lies', async (context) => {
  const tiered = await TieredEvents.open(context);
  const random = seededRandom(7);
  const seen = (): Promise<unknown[][]> =>
    rowsOf(
      tiered.service,
      `SELECT count(*), count(DISTINCT sequence), sum(sequence)::BIGINT,
         sum((properties->>'$.number')::BIGINT)::BIGINT FROM events`,
    );
  let rows = 0;
  for (let round = 0; round < 8; round += 1) {
    const count = 1 + Math.floor(random() * 120);
    tiered.append(count);
    rows += count;
    const expected = [rows, rows, (rows * (rows + 1)) / 2, (rows * (rows - 1)) / 2];
    assert.deepEqual(await seen(), [expected]);
    const floor = tiered.events.floorRow;
    await tiered.flush(floor + 1 + Math.floor(random() * (rows - floor)));
    assert.deepEqual(await seen(), [expected]);
  }
  const types = await rowsOf(tiered.service, 'DESCRIBE events');
  const [hot] = await rowsOf(
    tiered.service,
    `SELECT ${types.map(([name]) => `typeof("${name}")`).join()} FROM events LIMIT 1`,
  );
  assert.deepEqual(
    hot,
    types.map(([, type]) => type),
  );
});

test('rows that a flush hides from the hot table stay in a statement that runs', async (context) => {
  const tiered = await TieredEvents.open(context);
  tiered.append(400);
  const slow = rowsOf(
    tiered.service,
    `SELECT count(*), sum(sequence)::BIGINT FROM events, (SELECT count(*) FROM range(30000000))`,
  );
  await tiered.flush(350);
  assert.deepEqual(await slow, [[400, 80_200]]);
  assert.deepEqual(await rowsOf(tiered.service, 'SELECT count(*) FROM events'), [[400]]);
});

test('files and rows outside the bounds of a statement are not read', async (context) => {
  const tiered = await TieredEvents.open(context);
  tiered.append(240);
  for (const floor of [24, 48, 100, 200]) await tiered.flush(floor);
  const costs = async (where: string) => {
    const answer = await ask(tiered.service, `SELECT count(*) FROM events WHERE ${where}`);
    assert.equal(answer.error, null);
    const { filesRead, filesSkipped, bytesRead, bytesSkipped } = answer.statistics!;
    assert.equal(bytesRead > 0, filesRead > 0);
    assert.equal(bytesSkipped > 0, filesSkipped > 0);
    return [JSON.parse(answer.text).rows[0][0], filesRead, filesSkipped];
  };
  // Days 0, 1, 2 to 4 (of which the last in part), 4 (the rest) to 8: nine days, ten files.
  assert.deepEqual(await costs('true'), [240, 10, 0]);
  assert.deepEqual(await costs("timestamp < '2026-01-02T00:00:00Z'"), [24, 2, 8]);
  assert.deepEqual(
    await costs("received_at BETWEEN '2026-01-05' AND '2026-01-05 23:00'"),
    [24, 2, 8],
  );
  assert.deepEqual(await costs('sequence <= 10'), [10, 1, 9]);
  assert.deepEqual(await costs('sequence > 230'), [10, 0, 10]);
  assert.deepEqual(await costs("event = 'event 1'"), [80, 10, 0]);
  const traits = await ask(tiered.service, 'SELECT count(*) FROM profile_traits');
  assert.equal(traits.statistics?.filesRead, 10);
});

test('counting hot and cold rows together reads no column of the cold ones', async (context) => {
  const tiered = await TieredEvents.open(context);
  tiered.append(60);
  for (const floor of [20, 40]) await tiered.flush(floor);
  const plan = JSON.stringify(await rowsOf(tiered.service, 'EXPLAIN SELECT count(*) FROM events'));
  assert.match(plan, /READ_PARQUET/);
  assert.deepEqual(plan.match(/Projections: \w+/g), ['Projections: sequence'], 'of the hot rows');
  assert.deepEqual(await rowsOf(tiered.service, 'SELECT count(*) FROM events'), [[60]]);
  assert.deepEqual(await rowsOf(tiered.service, 'SELECT count(anchor) FROM events'), [[60]]);
});

test('what one statement planned does not decide what the next one sees', async (context) => {
  const tiered = await TieredEvents.open(context);
  const count = async (where: string): Promise<unknown> =>
    (await rowsOf(tiered.service, `SELECT count(*) FROM events WHERE ${where}`))[0]![0];
  assert.equal(await count('true'), 0);
  tiered.append(50);
  assert.equal(await count('true'), 50);
  await tiered.flush(50);
  assert.equal(await count('true'), 50, 'all rows are cold');
  assert.equal(await count("timestamp < '2026-01-02T00:00:00Z'"), 24);
  assert.equal(await count('sequence > 50'), 0, 'no file is read');
  assert.equal(await count('true'), 50);
  tiered.append(10);
  await tiered.flush(55);
  const failing = `SELECT CAST(message_id || 'x' AS INTEGER) FROM events`;
  assert.ok((await ask(tiered.service, failing)).error !== null);
  assert.equal(await count('true'), 60, 'a view whose statement failed is made again');
  assert.equal(await count('true'), 60);
});

// Symptom: the statement after one that ran out of time in its result got "transactioncontext error".
test('a statement that was stopped in the middle of its result leaves nothing behind', async (context) => {
  const tiered = await TieredEvents.open(context);
  const { service } = tiered;
  tiered.append(50);
  await tiered.flush(40);
  const sink = new CollectingSink(() => false);
  const query = service.execute(requestOf('FROM events, range(100000)'), sink);
  await sink.began;
  query.cancel();
  assert.equal((await sink.answer).error?.code, 'TRIBUTARY_QUERY_CANCELLED');
  assert.deepEqual(await rowsOf(service, 'SELECT count(*) FROM events'), [[50]]);
  assert.equal(service.state.workersLost, 0);
});

test('views are made again when nobody knows whether they were committed', async (context) => {
  const tiered = await TieredEvents.open(context);
  const { hotDirectory } = tiered;
  tiered.append(50);
  await tiered.flush(40);
  assert.equal(native.openHotDirectory(hotDirectory), '');
  context.after(() => native.releaseTables());
  const snapshots = new TableSnapshots(hotDirectory, native, new NodeFileSystem());
  const hold = (): Promise<HeldSnapshots> =>
    snapshots.hold(HOT_CATALOG, new Map([['events', 1]]), []);
  const held = await hold();
  assert.equal(held.statements.length, 1);
  snapshots.keep(held);
  assert.equal((await hold()).statements.length, 0);
  snapshots.forget(held);
  assert.deepEqual((await hold()).statements, held.statements);
});

test('rows of files of one kind are read by one SELECT, others by one within another', () => {
  const columns: ColdColumn[] = [
    { id: 1, name: 'anchor', type: 'int', hotType: 'uint32' },
    { id: 2, name: 'type', type: 'string', hotType: 'dictionary' },
  ];
  const file = { rows: 1, bytes: 1, rowGroups: 1, bounds: {}, values: {} } as const;
  const [now, before] = [
    { ...file, path: 'now', isCurrent: true },
    { ...file, path: 'before', isCurrent: false },
  ];
  const except = [{ column: 'anchor', values: [7] }];
  const relation: CatalogRelation = {
    name: 'rows',
    select: 'SELECT {events.type} AS type, double({events.anchor}) AS twice FROM {events}',
    scans: ['events'],
    boundColumns: [],
    isPerRow: true,
  };
  const select = (files: readonly ColdFile[], hasHotRows: boolean): string =>
    selectOver(relation, () =>
      tieredSource('events', { columns, files, except }, files, [], hasHotRows),
    );
  assert.equal(
    select([now], false),
    `SELECT type AS type, double(CAST("anchor" AS UINTEGER)) AS twice FROM read_parquet(['now']) WHERE ("anchor" IS NULL OR "anchor" NOT IN (7))`,
  );
  assert.match(select([before], false), /^SELECT type .* FROM read_parquet\(\['before'\], schema/);
  for (const nested of [select([now], true), select([now, before], false)]) {
    assert.match(nested, /^SELECT type AS type, double\(anchor\) AS twice FROM \(SELECT /);
  }
});

test('a file is read by name only when it has all columns as they are today', () => {
  const columns: ColdColumn[] = [
    { id: 1, name: 'kept', type: 'long', hotType: 'int64' },
    { id: 2, name: 'renamed', type: 'string', hotType: 'utf8' },
  ];
  const kept = { id: 1, name: 'kept', type: 'long', personal: false } as const;
  const other = { id: 2, name: 'renamed', type: 'string', personal: false } as const;
  const now: LakeSchema = { schemaId: 1, columns: [kept, other] };
  const isCurrent = (ids: readonly number[], ...before: LakeSchema['columns'][]): boolean => {
    const file = {
      location: '',
      day: null,
      recordCount: 5,
      fileBytes: 1,
      columns: new Map(ids.map((id) => [id, { bytes: 9, valueCount: 5, nullCount: 5 }])),
      splitOffsets: [4],
      sorted: false,
    };
    const schemas = [...before.map((were) => ({ schemaId: 0, columns: were })), now];
    return coldFileOf(file, 'a', columns, schemas).isCurrent;
  };
  assert.equal(isCurrent([1, 2]), true);
  assert.equal(isCurrent([1]), false, 'added later');
  assert.equal(isCurrent([1, 2], [kept]), true, 'written after it was added');
  assert.equal(isCurrent([1, 2], [kept, { ...other, name: 'old' }]), false);
  assert.equal(isCurrent([1, 2], [{ ...kept, type: 'int' }, other]), false);
});

test('a file is left out only when a bound excludes all its rows', () => {
  const file = (name: string, least: number, greatest: number): ColdFile => {
    const bounds = { sequence: [least, greatest] } as const;
    return { path: name, rows: 1, bytes: 1, rowGroups: 1, isCurrent: true, bounds, values: {} };
  };
  const files = [file('a', 1, 10), file('b', 11, 20), { ...file('c', 0, 0), bounds: {} }];
  const read = (min: bigint, max: bigint): string =>
    pruneFiles(files, [{ table: 'events', column: 'sequence', kind: 'integer', min, max }])
      .read.map(({ path }) => path)
      .join('');
  assert.equal(read(10n, 11n), 'abc');
  assert.equal(read(11n, 99n), 'bc');
  assert.equal(read(0n, 10n), 'ac');
  assert.equal(read(21n, 99n), 'c');
});

test('where cold files lie, and other files, stay out of reach', async (context) => {
  const tiered = await TieredEvents.open(context);
  tiered.append(10);
  await tiered.flush(5);
  const plan = await rowsOf(tiered.service, 'EXPLAIN ANALYZE SELECT count(event) FROM events');
  assert.match(JSON.stringify(plan), /READ_PARQUET/);
  assert.equal(JSON.stringify(plan).includes(tmpdir()), false);
  for (const sql of ["SELECT * FROM read_parquet('data/**')", "SELECT * FROM 'data/x.parquet'"]) {
    assert.ok((await ask(tiered.service, sql)).error !== null, sql);
  }
});
