/**
 * Checkpoints that let go of the log, over a disk in memory: crashes at every operation, backups beside them,
 * verification. The same code as in the appliance, without its process.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { seededRandomSource } from '../../base/random.ts';
import { KIB } from '../../base/units.ts';
import { createBackup } from '../../engine/backup.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import { firstDocument, serialiseControl } from '../../engine/control-file.ts';
import { checkpointDirectoryOf, secretFileOf, walDirectoryOf } from '../../engine/data-files.ts';
import { trimLog } from '../../engine/log-trim.ts';
import { makeCheckpoint } from '../../engine/make-checkpoint.ts';
import { restoreBackup } from '../../engine/restore.ts';
import { verifyData } from '../../engine/verify.ts';
import { RECORD_WORDS } from '../../identity/profile-store.ts';
import { BackupRepository } from '../../storage/backup-repository.ts';
import { atomicReplace } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { openDuckDb } from '../native/scan-harness.ts';
import { NOW, SOURCE, TENANT_ID, TestEngine } from '../support/engine-fixture.ts';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';
import { tieredValues } from '../support/tiered-rows.ts';

const DATA = '/data';
const BACKUPS = '/backups';
const BUCKET = 'tributary-lake';
const PEOPLE = 5;
/** A file of the log for each batch. */
const CAPACITIES = {
  ...TENANT_CAPACITIES,
  segmentRows: 64,
  segmentHeaps: { utf8: 64 * KIB, json: 64 * KIB, dictionary: 64 * KIB },
  dictionaryEntries: 64,
  identityNodes: 2000,
  walFileBytes: 4 * KIB,
  walStagingBytes: 64 * KIB,
  walRecordBytes: 64 * KIB,
};
const BATCH_EVENTS = 3;
/** What no test here looks into. */
const decoder = { decode: async () => ({ rows: 0, nulls: new Map<number, number>() }) };

describe('a log that is trimmed', () => {
  let duckdb: DuckDBConnection;
  let opened = 0;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  const open = (
    context: TestContext,
    fileSystem: MemoryFileSystem,
    dataDirectory = DATA,
  ): Promise<TestEngine> =>
    TestEngine.open(context, fileSystem, {
      dataDirectory,
      capacities: CAPACITIES,
      random: seededRandomSource(++opened),
      flush: { flushAgeMs: Number.POSITIVE_INFINITY },
    });

  async function send(engine: TestEngine, from: number, batches: number): Promise<void> {
    for (let batch = from; batch < from + batches; batch += 1) {
      const events = Array.from({ length: BATCH_EVENTS }, (_, index) => {
        const number = batch * BATCH_EVENTS + index;
        const ids = { userId: `u${number % PEOPLE}`, anonymousId: `a${number % 7}` };
        return { type: 'page', messageId: `m${number}`, ...ids };
      });
      await engine.send(events, NOW + batch);
    }
  }

  /** Flushes, makes a checkpoint, trims. @returns files of the log that went; undefined when it was held. */
  async function checkpoint(
    context: TestContext,
    { engine, tenant }: TestEngine,
    fileSystem: MemoryFileSystem,
  ): Promise<number | undefined> {
    const { flusher, cold } = engine.openTenant(TENANT_ID);
    await flusher.flush();
    const walDirectory = `${DATA}/${walDirectoryOf(TENANT_ID)}`;
    const directory = `${DATA}/${checkpointDirectoryOf(TENANT_ID)}`;
    const answer = await makeCheckpoint(fileSystem, {
      tenantId: TENANT_ID,
      sources: [SOURCE],
      secretFile: `${DATA}/${secretFileOf(TENANT_ID)}`,
      walDirectory,
      checkpointDirectory: directory,
      hotDirectory: temporaryHotDirectory(context),
      sequence: cold.tables.at(-1)!.watermark,
      capacities: CAPACITIES,
      acceptDataLoss: false,
    });
    const removeLogBelow = (sequence: number) => tenant.removeLogBelow(sequence, 0);
    const place = { fileSystem, directory, tenantId: TENANT_ID };
    return trimLog({ place, walDirectory, removeLogBelow }, answer);
  }

  async function shown({ engine, tenant }: TestEngine): Promise<unknown> {
    const { cold } = engine.openTenant(TENANT_ID);
    const events = await tieredValues(duckdb, cold.tables.at(-1)!, engine.store, 'message_id');
    const { identity } = tenant;
    const { profiles } = identity;
    const people = Array.from({ length: PEOPLE }, (_, user) => {
      const profile = identity.profileOf('user_id', `u${user}`);
      const counts = profiles
        .anchorsOf(profile)
        .map((anchor) => profiles.records[anchor * RECORD_WORDS]);
      return [profiles.idOf(profile), ...counts];
    });
    return { events, people };
  }

  const logFiles = (fileSystem: MemoryFileSystem) =>
    fileSystem.list(`${DATA}/${walDirectoryOf(TENANT_ID)}`);
  const checkpoints = async (fileSystem: MemoryFileSystem) => {
    const directory = `${DATA}/${checkpointDirectoryOf(TENANT_ID)}`;
    return (await fileSystem.list(directory)).map((name) => `${directory}/${name}`);
  };

  /** An appliance that has made three checkpoints, and has more since; it stays open. */
  async function trimmed(context: TestContext, fileSystem: MemoryFileSystem): Promise<TestEngine> {
    const engine = await open(context, fileSystem);
    const key = { id: 'k', sha256: '0'.repeat(64), created_at: '2026-03-01T12:00:00.000Z' };
    const control = serialiseControl(firstDocument(TENANT_ID, key, key));
    await atomicReplace(fileSystem, `${DATA}/control.json`, Buffer.from(control));
    for (let round = 0; round < 3; round += 1) {
      await send(engine, round * 3, 3);
      await checkpoint(context, engine, fileSystem);
    }
    await send(engine, 9, 2);
    return engine;
  }

  async function backUp(fileSystem: MemoryFileSystem, nowMicros = NOW) {
    const repository = new BackupRepository(fileSystem, BACKUPS);
    await repository.prepare();
    const clock = { nowMicros: () => nowMicros, monotonicMs: () => 0 };
    return createBackup({ fileSystem, dataDirectory: DATA, bucket: BUCKET, repository, clock });
  }

  async function restore(fileSystem: MemoryFileSystem, dataDirectory: string, id?: string) {
    const repository = new BackupRepository(fileSystem, BACKUPS);
    const manifest = await repository.read(id);
    await restoreBackup({ fileSystem, repository, manifest, dataDirectory });
  }

  /** Findings about checkpoints and log. */
  async function findings(fileSystem: MemoryFileSystem, dataDirectory = DATA): Promise<string[]> {
    const options = { fileSystem, dataDirectory, bucket: BUCKET, decoder };
    const report = await verifyData(options);
    return report.findings.map(({ path }) => path).filter((path) => path.startsWith('tenants'));
  }

  it('that is cut at any operation starts again, with everything', async (context) => {
    const images: MemoryFileSystem[] = [];
    let watched = false;
    let operations = 0;
    const changing = ['unlink', 'rename', 'syncDirectory', 'sync', 'truncate', 'write'];
    const fileSystem: MemoryFileSystem = new MemoryFileSystem({
      schedule: (operation) => {
        operations += 1;
        if (!watched || !changing.includes(operation)) return;
        images.push(fileSystem.crash(operations));
        if (operation === 'unlink') images.push(fileSystem.copy());
      },
    });
    const engine = await trimmed(context, fileSystem);
    const { flusher } = engine.engine.openTenant(TENANT_ID);
    await flusher.flush();
    const expected = await shown(engine);
    watched = true;
    const removed = await checkpoint(context, engine, fileSystem);
    watched = false;
    assert.ok(removed !== undefined && removed >= 2);
    assert.ok(images.length > 10, `${images.length} crashes`);
    let starts = 0;
    for (const [index, image] of images.entries()) {
      if (index % 3 === 0) assert.deepEqual(await findings(image), []);
      const [older, newest] = (await checkpoints(image)).slice(-2);
      // Either checkpoint is enough.
      const damaged = [undefined, older, newest][index % 3];
      if (damaged !== undefined && !damaged.endsWith('.tmp')) image.decay(damaged, 5, 1);
      const again = await open(context, image);
      assert.deepEqual(await shown(again), expected, `crash ${index}`);
      await again.engine.close();
      starts += 1;
    }
    context.diagnostic(`${starts} starts over crashes`);
  });

  it('is backed up with its checkpoints, and restores to what it showed', async (context) => {
    const fileSystem = new MemoryFileSystem();
    const engine = await trimmed(context, fileSystem);
    const first = await shown(engine);
    const { id } = await backUp(fileSystem);
    const before = await logFiles(fileSystem);
    await checkpoint(context, engine, fileSystem);
    await send(engine, 11, 2);
    const second = await shown(engine);
    const incremental = await backUp(fileSystem, NOW + 1_000_000);
    const gone = before.filter(
      (name) => !fileSystem.peek(`${DATA}/${walDirectoryOf(TENANT_ID)}/${name}`),
    );
    assert.ok(gone.length > 0, 'files that the first backup has are gone at the source');
    assert.ok(incremental.copiedFiles < incremental.files);
    await engine.engine.close();
    for (const [directory, from, expected] of [
      ['/first', id, first],
      ['/second', incremental.id, second],
    ] as const) {
      await restore(fileSystem, directory, from);
      assert.deepEqual(await findings(fileSystem, directory), []);
      const restored = await open(context, fileSystem, directory);
      assert.deepEqual(await shown(restored), expected);
      assert.ok(restored.tenant.recovery.events < 20, 'it began with a checkpoint');
    }
  });

  it('is whole in a backup that is taken while checkpoints are made', async (context) => {
    let turn: (() => Promise<void>) | undefined;
    const fileSystem = new MemoryFileSystem({
      // Only the backup waits: the appliance would wait for itself.
      schedule: (_, path) => (path.startsWith(BACKUPS) ? turn?.() : undefined),
    });
    const engine = await trimmed(context, fileSystem);
    let operations = 0;
    let held = 0;
    let batch = 11;
    turn = async () => {
      operations += 1;
      if (operations % 60 !== 0) return;
      const within = turn;
      turn = undefined;
      await send(engine, batch, 2);
      batch += 2;
      if ((await checkpoint(context, engine, fileSystem)) === undefined) held += 1;
      turn = within;
    };
    await backUp(fileSystem);
    turn = undefined;
    assert.ok(batch > 13 && held > 0, `${batch} batches, held ${held} times`);
    await restore(fileSystem, '/restored');
    assert.deepEqual(await findings(fileSystem, '/restored'), []);
    const restored = await shown(await open(context, fileSystem, '/restored'));
    const original = await shown(engine);
    const eventsOf = (state: unknown) => (state as { events: string[] }).events;
    const count = eventsOf(restored).length;
    assert.ok(count >= 33, `${count} events`);
    assert.deepEqual(eventsOf(restored), eventsOf(original).slice(0, count));
  });

  it('is verified from its checkpoints on, and they with it', async (context) => {
    const fileSystem = new MemoryFileSystem();
    const engine = await trimmed(context, fileSystem);
    await engine.engine.close();
    assert.deepEqual(await findings(fileSystem), []);
    for (const path of await checkpoints(fileSystem)) {
      const damaged = fileSystem.copy();
      damaged.decay(path, 5, 1);
      assert.deepEqual(await findings(damaged), [path.slice(DATA.length + 1)]);
    }
    const [oldest] = await logFiles(fileSystem);
    const lost = fileSystem.copy();
    await lost.unlink(`${DATA}/${walDirectoryOf(TENANT_ID)}/${oldest}`);
    assert.deepEqual(await findings(lost), [walDirectoryOf(TENANT_ID)]);
  });
});
