import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ErrorCode, TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { DAY_MICROS, HOUR_MICROS } from '../../base/units.ts';
import type { DataFile } from '../../storage/lake/data-file.ts';
import type { LakeCommit } from '../../storage/lake/lake-table.ts';
import { EVENTS_TABLE } from '../../storage/lake/lake-tables.ts';
import { keyOf } from '../../storage/lake/location.ts';
import type { LakeTableDefinition } from '../../storage/lake/schema.ts';
import { tidyLake, UPKEEP_AGES } from '../../storage/lake/upkeep.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { keysOf } from './object-store-suite.ts';
import {
  addFile,
  DAY,
  locationsOf,
  type OpenedTable,
  openTable,
  openTableIn,
  steppingClock,
} from './table-fixture.ts';

const failsWith = (code: ErrorCode) => (error: unknown) =>
  error instanceof TributaryError && error.code === code;

function appending(commitId: string, add: LakeCommit['add'], sequence?: number): LakeCommit {
  const watermark = sequence === undefined ? {} : { sequence };
  return { commitId, operation: 'append', add, remove: [], ...watermark };
}

async function appendFiles(opened: OpenedTable, count: number, from = 0): Promise<void> {
  for (let index = from; index < from + count; index += 1) {
    await opened.table.commit(appending(`flush-${index}`, [await addFile(opened, 10)]));
  }
}

describe('a lake table', () => {
  it('is empty when it is new, and has the columns of its hot table', async () => {
    const { table } = await openTable(new MemoryFileSystem());
    assert.equal(table.currentSnapshot, undefined);
    assert.deepEqual(await table.liveFiles(), []);
    assert.match(table.location, /^s3:\/\/lake\/acme\/events-[0-9a-f]{8}$/);
    assert.match(table.metadata.location, /\/metadata\/v1\.metadata\.json$/);
    const columns = table.schema.columns;
    assert.deepEqual(columns[0], { id: 1, name: 'sequence', type: 'long', personal: false });
    assert.deepEqual(
      columns.find(({ name }) => name === 'user_id'),
      { id: 6, name: 'user_id', type: 'string', personal: true },
    );
    assert.equal(columns.length, EVENTS_TABLE.columns.length);
  });

  it('holds what was committed, and after it is opened again', async () => {
    const fileSystem = new MemoryFileSystem();
    const opened = await openTable(fileSystem);
    const columns = new Map([
      [1, { bytes: 80, valueCount: 10, nullCount: 0, lower: 5n, upper: 14n }],
      [4, { valueCount: 10, nullCount: 3, lower: 'Order Completed', upper: 'Page Viewed' }],
    ]);
    const file = await addFile(opened, 10, columns);
    const snapshot = await opened.table.commit({
      ...appending('flush-1', [file], 14),
      summary: { 'tributary.first-row': '7' },
    });
    assert.equal(snapshot.sequence, 14);
    assert.equal(snapshot.totalRecords, 10);
    assert.equal(snapshot.summary['tributary.first-row'], '7');
    for (const { table } of [opened, await openTable(fileSystem)]) {
      assert.deepEqual(table.currentSnapshot, snapshot);
      assert.deepEqual(await table.liveFiles(), [{ ...file, snapshotId: snapshot.snapshotId }]);
    }
  });

  it('a commit that is repeated is found, not made again', async () => {
    const fileSystem = new MemoryFileSystem();
    const opened = await openTable(fileSystem);
    const file = await addFile(opened, 10);
    const first = await opened.table.commit(appending('flush-1', [file], 14));
    await opened.table.commit(appending('flush-2', [await addFile(opened, 5)], 20));
    for (const { table } of [opened, await openTable(fileSystem)]) {
      assert.deepEqual(await table.commit(appending('flush-1', [file], 14)), first);
      assert.equal((await table.liveFiles()).length, 2);
      assert.equal(table.currentSnapshot?.sequence, 20);
    }
  });

  it('a repeated commit is found although its files were compacted away and deleted', async () => {
    const opened = await openTable(new MemoryFileSystem());
    const { table, store } = opened;
    const file = await addFile(opened, 10);
    const first = await table.commit(appending('flush-1', [file], 14));
    const add = [await addFile(opened, 10)];
    const remove = [file.location];
    await table.commit({ commitId: 'compact', operation: 'replace', add, remove });
    await store.delete(keyOf('lake', file.location));
    assert.deepEqual(await table.commit(appending('flush-1', [file], 14)), first);
    assert.deepEqual(await locationsOf(table), [add[0]!.location]);
  });

  it('commits at the same time come one after another, and none is lost', async () => {
    const opened = await openTable(new MemoryFileSystem());
    const files = await Promise.all(Array.from({ length: 10 }, (_, rows) => addFile(opened, rows)));
    await Promise.all(
      files.map((file, index) => opened.table.commit(appending(`${index}`, [file]))),
    );
    assert.deepEqual(
      await locationsOf(opened.table),
      files.map(({ location }) => location),
    );
    assert.equal(opened.table.snapshots.length, 10);
  });

  it('another appliance that commits gives a conflict, and both commits are there', async () => {
    const opened = await openTable(new MemoryFileSystem());
    const other = { ...opened, table: await openTableIn(opened.store, { seed: 2 }) };
    const files = [];
    for (let round = 0; round < 5; round += 1) {
      for (const committer of [opened, other]) {
        const file = await addFile(committer, 1);
        files.push(file.location);
        await committer.table.commit(appending(file.location, [file]));
      }
    }
    assert.deepEqual(await locationsOf(await openTableIn(opened.store)), files);
  });

  it('a committer that slept while its version was deleted still loses nothing', async () => {
    const opened = await openTable(new MemoryFileSystem());
    const sleeper = { ...opened, table: await openTableIn(opened.store, { seed: 2 }) };
    await appendFiles(opened, LIMITS.lakeMetadataVersionsMax + 2);
    const late = await addFile(sleeper, 99);
    await sleeper.table.commit(appending('late', [late]));
    const found = await locationsOf(await openTableIn(opened.store));
    assert.equal(found.length, LIMITS.lakeMetadataVersionsMax + 3);
    assert.equal(found.at(-1), late.location);
  });

  it('files are replaced all or none; the watermark and the own keys are carried on', async () => {
    const opened = await openTable(new MemoryFileSystem());
    const { table } = opened;
    const small = [await addFile(opened, 3), await addFile(opened, 4), await addFile(opened, 5)];
    const summary = { 'tributary.first-row': '12' };
    await table.commit({ ...appending('flush', small, 100), summary });
    const large = await addFile(opened, 7);
    const replace: LakeCommit = {
      commitId: 'compact',
      operation: 'replace',
      add: [large],
      remove: small.slice(0, 2).map(({ location }) => location),
    };
    const unknown = { ...replace, remove: [...replace.remove, `${table.location}/data/x.parquet`] };
    await assert.rejects(table.commit(unknown), failsWith('TRIBUTARY_LAKE_FILE_UNKNOWN'));
    assert.equal((await table.liveFiles()).length, 3);
    const snapshot = await table.commit(replace);
    assert.deepEqual(await locationsOf(table), [small[2]!.location, large.location]);
    assert.equal(snapshot.sequence, 100);
    assert.equal(snapshot.summary['tributary.first-row'], '12');
    assert.equal(snapshot.totalRecords, 12);
    assert.equal(snapshot.totalFiles, 2);
    assert.equal(snapshot.summary['deleted-records'], '7');
    // A second compaction of the same files has lost the race.
    const again = { ...replace, commitId: 'compact-2' };
    await assert.rejects(table.commit(again), failsWith('TRIBUTARY_LAKE_FILE_UNKNOWN'));
  });

  it('a file that is not in the store, or has another size, is not committed', async () => {
    const opened = await openTable(new MemoryFileSystem());
    const file = await addFile(opened, 3);
    const missing = { ...file, location: opened.table.newDataFile(DAY, 0) };
    for (const bad of [missing, { ...file, fileBytes: file.fileBytes + 1 }]) {
      await assert.rejects(
        opened.table.commit(appending('bad', [bad])),
        failsWith('TRIBUTARY_LAKE_OBJECT_MISSING'),
      );
    }
    await assert.rejects(
      opened.table.commit(appending('bad', [{ ...file, location: 's3://other/acme/a.parquet' }])),
      failsWith('TRIBUTARY_LAKE_LOCATION_FOREIGN'),
    );
  });

  it('keeps no value of a personal column in its metadata', async () => {
    const fileSystem = new MemoryFileSystem();
    const opened = await openTable(fileSystem);
    const texts = { lower: 'secret', upper: 'secret', values: ['secret', 'größer "2"'] };
    const secret = { valueCount: 1, nullCount: 0, ...texts };
    const ids = opened.table.schema.columns.filter(({ type }) => type === 'string');
    const columns = new Map(ids.map(({ id }) => [id, secret]));
    await opened.table.commit(appending('flush', [await addFile(opened, 1, columns)]));
    await opened.table.evolve([{ kind: 'rename', from: 'user_id', to: 'person' }]);
    await opened.table.commit(appending('later', [await addFile(opened, 1, columns)]));
    const { table } = await openTable(fileSystem);
    for (const file of await table.liveFiles()) {
      for (const { id, personal, type } of table.schema.columns) {
        const isShown = type === 'string' && !personal;
        assert.equal(file.columns.get(id)?.lower, isShown ? 'secret' : undefined);
        assert.deepEqual(file.columns.get(id)?.values, isShown ? texts.values : undefined);
      }
    }
    assert.equal(table.schema.columns.find(({ name }) => name === 'person')?.personal, true);
  });

  it('a table of one partition has files without a day', async () => {
    const { dayOf: _, ...definition } = EVENTS_TABLE;
    const fileSystem = new MemoryFileSystem();
    const opened = await openTable(fileSystem, { definition });
    const file = await addFile(opened, 3, new Map(), null);
    const { snapshotId } = await opened.table.commit(appending('flush', [file]));
    const { table } = await openTable(fileSystem, { definition });
    assert.deepEqual(await table.liveFiles(), [{ ...file, snapshotId }]);
  });

  it('many manifests are merged, and every file is still there', async () => {
    const opened = await openTable(new MemoryFileSystem());
    const count = LIMITS.lakeManifestsMax + 10;
    await appendFiles(opened, count);
    const live = await opened.table.liveFiles();
    assert.equal(live.length, count);
    assert.equal(new Set(live.map(({ snapshotId }) => snapshotId)).size, count);
    const manifests = (await keysOf(opened.store, keyOf('lake', opened.table.location))).filter(
      (key) => /metadata\/[0-9a-f]{8}-[0-9a-f-]+\.avro$/.test(key),
    );
    assert.equal(manifests.length, count + 1, 'one merged manifest');
    const reopened = await openTableIn(opened.store);
    assert.deepEqual(await reopened.liveFiles(), live);
  });

  it('old versions of the metadata are deleted, and the hint names the newest', async () => {
    const opened = await openTable(new MemoryFileSystem());
    await appendFiles(opened, LIMITS.lakeMetadataVersionsMax + 5);
    const prefix = `${keyOf('lake', opened.table.location)}/metadata/v`;
    const keys = await keysOf(opened.store, prefix);
    assert.equal(keys.filter((key) => key.endsWith('.json')).length, 51);
    const hint = await opened.store.get(`${prefix}ersion-hint.text`);
    assert.equal(new TextDecoder().decode(hint), '56');
    assert.ok(opened.table.metadata.location.endsWith('/v56.metadata.json'));
  });

  it('the time of snapshots does not go back with the clock', async () => {
    const clock = steppingClock();
    const opened = await openTable(new MemoryFileSystem(), { clock });
    const times = [];
    for (const step of [5_000_000, -9_000_000, 2_000]) {
      clock.micros += step;
      const { committedAtMicros } = await opened.table.commit(
        appending(`${step}`, [await addFile(opened, 1)]),
      );
      times.push(committedAtMicros);
    }
    assert.deepEqual(times, times.toSorted());
  });
});

describe('columns of a lake table', () => {
  it('are added with new ids, renamed and widened, and old snapshots keep theirs', async () => {
    const fileSystem = new MemoryFileSystem();
    const opened = await openTable(fileSystem);
    const columns = new Map([[10, { valueCount: 1, nullCount: 0, lower: 3, upper: 9 }]]);
    await opened.table.commit(appending('flush', [await addFile(opened, 1, columns)]));
    await opened.table.evolve([
      { kind: 'add', column: { name: 'revenue', type: 'float', personal: false } },
      { kind: 'rename', from: 'anchor', to: 'person_anchor' },
      { kind: 'promote', name: 'person_anchor', type: 'long' },
      { kind: 'promote', name: 'revenue', type: 'double' },
    ]);
    const { table } = await openTable(fileSystem, { definition: { ...EVENTS_TABLE, columns: [] } });
    const find = (name: string) => table.schema.columns.find((column) => column.name === name);
    assert.deepEqual(find('revenue'), { id: 21, name: 'revenue', type: 'double', personal: false });
    assert.deepEqual([find('person_anchor')?.id, find('person_anchor')?.type], [10, 'long']);
    assert.equal(find('anchor'), undefined);
    assert.equal(table.currentSnapshot?.schemaId, 0);
    assert.equal(table.schemas.length, 2);
    // Bounds come in the type the column has now.
    assert.equal((await table.liveFiles())[0]?.columns.get(10)?.upper, 9n);
    await table.evolve([{ kind: 'add', column: { name: 'x', type: 'date', personal: true } }]);
    assert.equal(find('x')?.id, 22);
  });

  it('that a definition has gained or widened are changed when the table is opened', async () => {
    const fileSystem = new MemoryFileSystem();
    await openTable(fileSystem);
    const definition: LakeTableDefinition = {
      ...EVENTS_TABLE,
      columns: [
        { name: 'city', type: 'string', personal: true },
        ...EVENTS_TABLE.columns.map((column) =>
          column.name === 'anchor' ? { ...column, type: 'long' as const } : column,
        ),
      ],
    };
    for (const wanted of [definition, EVENTS_TABLE]) {
      const { table } = await openTable(fileSystem, { definition: wanted });
      assert.equal(table.schema.columns.at(-1)?.id, 21);
      assert.equal(table.schema.columns.at(-1)?.personal, true);
      assert.equal(table.schema.columns[9]?.type, 'long');
      assert.equal(table.schemas.length, 2);
    }
  });

  it('a change that cannot be is refused with all others of its list', async () => {
    const { table } = await openTable(new MemoryFileSystem());
    const add = { kind: 'add', column: { name: 'new', type: 'int', personal: false } } as const;
    for (const bad of [
      { kind: 'add', column: { name: 'anchor', type: 'int', personal: false } },
      { kind: 'rename', from: 'nothing', to: 'something' },
      { kind: 'rename', from: 'anchor', to: 'sequence' },
      { kind: 'promote', name: 'sequence', type: 'int' },
      { kind: 'promote', name: 'user_id', type: 'long' },
    ] as const) {
      await assert.rejects(table.evolve([add, bad]), failsWith('TRIBUTARY_LAKE_UPDATE_INVALID'));
    }
    assert.equal(table.schemas.length, 1);
    const most = Array.from({ length: LIMITS.columnsMax - 20 }, (_, index) => {
      return { kind: 'add', column: { ...add.column, name: `c${index}` } } as const;
    });
    await assert.rejects(table.evolve([...most, add]), failsWith('TRIBUTARY_LAKE_UPDATE_INVALID'));
    assert.equal((await table.evolve(most)).columns.length, LIMITS.columnsMax);
  });
});

describe('snapshots of a lake table', () => {
  it('expire with their files, but for pinned ones and the newest', async () => {
    const clock = steppingClock();
    const opened = await openTable(new MemoryFileSystem({ clock }), { clock });
    const { table, store } = opened;
    const files: DataFile[] = [];
    const pins = [];
    for (let index = 0; index < 5; index += 1) {
      clock.micros += HOUR_MICROS;
      const file = await addFile(opened, 10);
      const previous = files.at(-1);
      const remove = previous === undefined ? [] : [previous.location];
      await table.commit({ commitId: `${index}`, operation: 'overwrite', add: [file], remove });
      files.push(file);
      pins.push(table.pin());
    }
    const exists = async (index: number) =>
      (await store.head(keyOf('lake', files[index]!.location))) !== undefined;
    const expiry = { olderThanMicros: clock.micros + 1, keepLast: 2 };
    assert.equal((await table.expireSnapshots(expiry)).expiredSnapshots, 0, 'all are pinned');
    for (const index of [0, 2]) {
      pins[index]!.release();
      pins[index]!.release();
    }
    const report = await table.expireSnapshots(expiry);
    assert.equal(report.expiredSnapshots, 2);
    assert.ok(report.deleted.includes(files[0]!.location));
    assert.deepEqual(await Promise.all([0, 1, 2, 3, 4].map(exists)), [
      false,
      true,
      false,
      true,
      true,
    ]);
    const [pinned] = table.snapshots;
    assert.equal(pinned?.snapshotId, pins[1]!.snapshot?.snapshotId);
    assert.deepEqual(await locationsOf(table, pinned?.snapshotId), [files[1]!.location]);
    for (const pin of pins) pin.release();
    assert.equal(
      (await table.expireSnapshots({ olderThanMicros: 0, keepLast: 0 })).expiredSnapshots,
      0,
    );
    await table.expireSnapshots({ ...expiry, keepLast: 0 });
    assert.equal(table.snapshots.length, 1);
    assert.deepEqual(await locationsOf(table), [files[4]!.location]);
    const reopened = await openTableIn(store);
    assert.deepEqual(await locationsOf(reopened), [files[4]!.location]);
    const gone = reopened.liveFiles(pins[0]!.snapshot!.snapshotId);
    await assert.rejects(gone, failsWith('TRIBUTARY_LAKE_SNAPSHOT_UNKNOWN'));
    const orphans = await reopened.collectOrphans({ dryRun: true, olderThanMicros: 2 ** 52 });
    assert.deepEqual(orphans.orphans, [], 'nothing is left behind');
  });
});

describe('orphans', () => {
  it('are what nothing refers to and is old enough; they go to the trash, then for good', async () => {
    const clock = steppingClock();
    const opened = await openTable(new MemoryFileSystem({ clock }), { clock });
    const { store, table } = opened;
    await appendFiles(opened, 3);
    const abandoned = await addFile(opened, 1);
    clock.micros += UPKEEP_AGES.orphanAge + 1;
    const young = await addFile(opened, 1);
    const expected = keyOf('lake', abandoned.location);
    const dry = await table.collectOrphans({ dryRun: true, olderThanMicros: clock.micros });
    assert.deepEqual(dry.orphans, [{ key: expected, bytes: abandoned.fileBytes }]);
    assert.equal(dry.youngCount, 1);
    assert.ok(await store.head(expected), 'a dry run changes nothing');

    const tidy = () => tidyLake(store, 'acme', [table], clock.micros);
    const first = await tidy();
    assert.deepEqual([first.orphans, first.orphanBytes], [1, abandoned.fileBytes]);
    assert.deepEqual([first.expiredSnapshots, first.emptiedTrash], [0, 0]);
    assert.equal(await store.head(expected), undefined);
    const trash = await keysOf(store, 'acme/.trash/');
    assert.equal(trash.length, 1);
    assert.ok(trash[0]!.endsWith(expected.slice('acme'.length)));
    assert.equal((await table.liveFiles()).length, 3);
    assert.ok(await store.head(keyOf('lake', young.location)));

    clock.micros += UPKEEP_AGES.trashAge;
    assert.equal((await tidy()).emptiedTrash, 0, 'the day itself is kept');
    clock.micros += DAY_MICROS;
    assert.equal((await tidy()).emptiedTrash, 1);
    const youngTrash = await keysOf(store, 'acme/.trash/');
    assert.equal(youngTrash.length, 1, 'what was young is an orphan by now');
    assert.ok(youngTrash[0]!.endsWith(young.location.slice(-41)));
  });

  it('files of retained versions are none, whichever commit removed them', async () => {
    const clock = steppingClock();
    const opened = await openTable(new MemoryFileSystem({ clock }), { clock });
    const file = await addFile(opened, 1);
    await opened.table.commit(appending('flush', [file]));
    const remove = [file.location];
    await opened.table.commit({ commitId: 'drop', operation: 'delete', add: [], remove });
    assert.deepEqual(await opened.table.liveFiles(), []);
    await appendFiles(opened, 2);
    const options = { dryRun: true, olderThanMicros: clock.micros + 1 };
    assert.deepEqual((await opened.table.collectOrphans(options)).orphans, []);
  });

  it('a location that is not of this lake stops the collection', async () => {
    const opened = await openTable(new MemoryFileSystem());
    await appendFiles(opened, 1);
    const key = keyOf('lake', opened.table.metadata.location);
    const text = new TextDecoder().decode(await opened.store.get(key));
    const damaged = text
      .replace(/s3:\/\/lake\/([^"]*\/snap-)/, 's3://elsewhere/$1')
      .replace(/,"tributary-crc32c.*$/, '}');
    assert.notEqual(damaged, text);
    await opened.store.put(key, new TextEncoder().encode(damaged));
    const table = await openTableIn(opened.store);
    await assert.rejects(
      table.collectOrphans({ dryRun: false, olderThanMicros: 2 ** 52 }),
      failsWith('TRIBUTARY_LAKE_LOCATION_FOREIGN'),
    );
  });
});
