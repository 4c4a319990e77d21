/** Backups, restores and verifications of a data directory in memory, at every point they can be cut at. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { TributaryError } from '../../base/errors.ts';
import { seededRandomSource } from '../../base/random.ts';
import { KIB } from '../../base/units.ts';
import { type BackupReport, createBackup } from '../../engine/backup.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import { firstDocument, serialiseControl } from '../../engine/control-file.ts';
import type { EngineOptions } from '../../engine/engine.ts';
import { restoreBackup } from '../../engine/restore.ts';
import { verifyBackup, verifyData } from '../../engine/verify.ts';
import type { DataFileCounts } from '../../engine/verify-lake.ts';
import type { Finding } from '../../engine/verify-tally.ts';
import { ParquetCheck } from '../../query/parquet-check.ts';
import { BackupRepository } from '../../storage/backup-repository.ts';
import { atomicReplace, type FileSystem, fileSystemError } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { openDuckDb } from '../native/scan-harness.ts';
import { NOW, TENANT_ID, TestEngine } from '../support/engine-fixture.ts';
import { tieredValues } from '../support/tiered-rows.ts';

const DATA = '/data';
const BACKUPS = '/backups';
const BUCKET = 'tributary-lake';
const CAPACITIES = {
  ...TENANT_CAPACITIES,
  segmentRows: 64,
  segmentHeaps: { utf8: 64 * KIB, json: 64 * KIB, dictionary: 64 * KIB },
  dictionaryEntries: 64,
  identityNodes: 200_000,
  walFileBytes: 16 * KIB,
  walStagingBytes: 64 * KIB,
  walRecordBytes: 64 * KIB,
};
/** Places of one Parquet file in which a bit turns. */
const BIT_TURNS = 40;
const IMPORTS = Buffer.from('{}');

describe('backup', () => {
  let duckdb: DuckDBConnection;
  let check: ParquetCheck;
  const directory = mkdtempSync(join(tmpdir(), 'tributary-verify-'));
  let opened = 0;
  before(async () => {
    duckdb = await openDuckDb();
    check = await ParquetCheck.open();
  });
  after(() => {
    duckdb.closeSync();
    check.close();
    rmSync(directory, { recursive: true });
  });

  async function open(
    context: TestContext,
    fileSystem: FileSystem,
    dataDirectory = DATA,
    options: Partial<EngineOptions> = {},
  ): Promise<TestEngine> {
    const engine = await TestEngine.open(context, fileSystem, {
      dataDirectory,
      capacities: CAPACITIES,
      random: seededRandomSource(++opened),
      flush: { flushAgeMs: Number.POSITIVE_INFINITY },
      ...options,
    });
    return engine;
  }

  /** An appliance with flushed rows and rows in the log only, 20 batches; it stays open. */
  async function filled(context: TestContext, fileSystem = new MemoryFileSystem()) {
    const engine = await open(context, fileSystem);
    const key = { id: 'k', sha256: '0'.repeat(64), created_at: '2026-03-01T12:00:00.000Z' };
    const control = serialiseControl(firstDocument(TENANT_ID, key, key));
    await atomicReplace(fileSystem, `${DATA}/control.json`, Buffer.from(control));
    await atomicReplace(fileSystem, `${DATA}/imports.json`, IMPORTS);
    await sendBatches(engine, 0, 12);
    await engine.engine.openTenant(TENANT_ID).flusher.flush();
    await sendBatches(engine, 12, 20);
    return { engine, fileSystem };
  }

  async function sendBatches(engine: TestEngine, from: number, to: number): Promise<void> {
    for (let number = from; number < to; number += 1) {
      const event = { type: 'track', event: 'Seen', messageId: `m${number}` };
      const ids = { userId: `u${number % 7}`, anonymousId: `a${number}` };
      const text = 'x'.repeat(2 * KIB);
      await engine.send([{ ...event, ...ids, properties: { text } }, { type: 'nothing' }]);
    }
  }

  async function backUp(fileSystem: FileSystem, nowMicros = NOW): Promise<BackupReport> {
    const repository = new BackupRepository(fileSystem, BACKUPS);
    await repository.prepare();
    const clock = { nowMicros: () => nowMicros, monotonicMs: () => 0 };
    return createBackup({ fileSystem, dataDirectory: DATA, bucket: BUCKET, repository, clock });
  }

  async function restore(fileSystem: FileSystem, dataDirectory: string, id?: string) {
    const repository = new BackupRepository(fileSystem, BACKUPS);
    const manifest = await repository.read(id);
    await restoreBackup({ fileSystem, repository, manifest, dataDirectory });
  }

  /** Files in memory are decoded from a copy on the disk. */
  async function verified(fileSystem: MemoryFileSystem, dataDirectory = DATA) {
    const decoder = {
      async decode(path: string): Promise<DataFileCounts> {
        writeFileSync(join(directory, 'file.parquet'), fileSystem.peek(path)!);
        return check.decode(join(directory, 'file.parquet'));
      },
    };
    return verifyData({ fileSystem, dataDirectory, bucket: BUCKET, decoder });
  }

  /** Everything that a reader can see, by table. */
  async function shown(engine: TestEngine): Promise<Record<string, string[]>> {
    const { cold } = engine.engine.openTenant(TENANT_ID);
    const tables: Record<string, string[]> = {};
    for (const table of cold.tables) {
      const { name } = table.hot.plan.schema;
      tables[name] = await tieredValues(duckdb, table, engine.engine.store, 'sequence');
    }
    const profiles = Array.from({ length: 7 }, (_, user) =>
      String(engine.tenant.identity.resolveProfileId('user_id', `u${user}`)),
    );
    return { ...tables, profiles };
  }

  it('of an appliance at work restores to one that shows the same', async (context) => {
    const { engine, fileSystem } = await filled(context);
    const expected = await shown(engine);
    assert.equal(expected['events']!.length, 20);
    await backUp(fileSystem);
    await sendBatches(engine, 20, 25);
    await engine.engine.close();

    await restore(fileSystem, '/restored');
    const report = await verified(fileSystem, '/restored');
    assert.deepEqual(report.findings, []);
    assert.ok(report.bytes > 40 * KIB);
    assert.deepEqual(fileSystem.peek('/restored/imports.json'), new Uint8Array(IMPORTS));
    const again = await open(context, fileSystem, '/restored');
    assert.deepEqual(await shown(again), expected);
    await sendBatches(again, 18, 22);
    assert.equal((await shown(again))['events']!.length, 22, 'duplicates are found, others stored');
  });

  it('copies the second time only what the first has not got', async (context) => {
    const { engine, fileSystem } = await filled(context);
    const first = await backUp(fileSystem);
    assert.equal(first.copiedFiles, first.files);
    const same = await backUp(fileSystem);
    // Documents are read to know them, and take no room.
    const tables = engine.engine.openTenant(TENANT_ID).cold.tables.length;
    const documents = ['control.json', 'imports.json', 'secret'].length + tables;
    assert.deepEqual([same.files, same.bytes], [first.files, first.bytes]);
    assert.ok(same.copiedFiles <= documents, `${same.copiedFiles} files copied again`);
    assert.ok(same.id > first.id, 'ids rise though the clock stands');
    await sendBatches(engine, 20, 30);
    const grown = await backUp(fileSystem);
    assert.ok(grown.files > first.files && grown.copiedBytes < grown.bytes);
  });

  it('taken at any moment of a busy log is an exact prefix of it', async (context) => {
    let turn: (() => Promise<void>) | undefined;
    const fileSystem = new MemoryFileSystem({ schedule: () => turn?.() });
    const { engine } = await filled(context, fileSystem);
    let sent = 20;
    let busy = false;
    let operations = 0;
    turn = async () => {
      if (busy) return;
      busy = true;
      operations += 1;
      if (operations % 5 !== 0) {
        busy = false;
        return;
      }
      await sendBatches(engine, sent, sent + 1);
      sent += 1;
      if (sent % 16 === 0) await engine.engine.openTenant(TENANT_ID).flusher.flush();
      busy = false;
    };
    await backUp(fileSystem);
    turn = undefined;
    assert.ok(sent > 40, `${sent} batches`);
    await restore(fileSystem, '/restored');
    assert.deepEqual((await verified(fileSystem, '/restored')).findings, []);
    const restored = await shown(await open(context, fileSystem, '/restored'));
    const original = (await shown(engine))['events']!;
    const count = restored['events']!.length;
    assert.ok(count >= 20);
    assert.deepEqual(restored['events'], original.slice(0, count));
  });

  it('that is cut at any operation leaves the one before, whole', async (context) => {
    const images: MemoryFileSystem[] = [];
    let watched = false;
    let operations = 0;
    const fileSystem: MemoryFileSystem = new MemoryFileSystem({
      schedule: () => {
        operations += 1;
        if (watched && operations % 7 === 0) images.push(fileSystem.crash(operations));
      },
    });
    const { engine } = await filled(context, fileSystem);
    const first = await backUp(fileSystem);
    await sendBatches(engine, 20, 24);
    watched = true;
    const second = await backUp(fileSystem, NOW + 1_000_000);
    watched = false;
    assert.ok(images.length > 10, `${images.length} crashes`);
    for (const image of images) {
      const repository = new BackupRepository(image, BACKUPS);
      const ids = await repository.list();
      assert.ok(ids.includes(first.id));
      for (const id of ids) {
        const { findings } = await verifyBackup(repository, await repository.read(id));
        assert.deepEqual(findings, []);
      }
      await backUp(image, NOW + 2_000_000);
      assert.deepEqual((await verifyBackup(repository, await repository.read())).findings, []);
    }
    const repository = new BackupRepository(fileSystem, BACKUPS);
    assert.equal(await repository.keepNewest(1), 1);
    assert.deepEqual(await repository.list(), [second.id]);
    assert.deepEqual((await verifyBackup(repository, await repository.read())).findings, []);
  });

  it('begins again when a file goes away meanwhile, and gives up in the end', async (context) => {
    const wal = `${DATA}/tenants/${TENANT_ID}/wal/`;
    let vanishing = 0;
    const fileSystem: MemoryFileSystem = new MemoryFileSystem({
      schedule: (operation, path) => {
        if (operation !== 'open' || !path.startsWith(wal) || vanishing === 0) return;
        vanishing -= 1;
        throw fileSystemError('ENOENT', operation, path);
      },
    });
    const { engine } = await filled(context, fileSystem);
    vanishing = 1;
    await backUp(fileSystem);
    vanishing = Number.POSITIVE_INFINITY;
    await assert.rejects(backUp(fileSystem), isCode('TRIBUTARY_STORAGE_BACKUP_UNSETTLED'));
    vanishing = 0;
    await engine.engine.close();
  });

  it('refuses a directory that is no data directory, and one that is not empty', async (context) => {
    await assert.rejects(backUp(new MemoryFileSystem()), isCode('TRIBUTARY_STORAGE_BACKUP_SOURCE'));
    const { fileSystem } = await filled(context);
    await assert.rejects(restore(fileSystem, '/other'), isCode('TRIBUTARY_STORAGE_BACKUP_MISSING'));
    await backUp(fileSystem);
    await assert.rejects(restore(fileSystem, DATA), isCode('TRIBUTARY_STORAGE_RESTORE_OCCUPIED'));
  });

  it('with a turned bit is found out by verify, by restore and by its manifest', async (context) => {
    const { fileSystem } = await filled(context);
    await backUp(fileSystem);
    const repository = new BackupRepository(fileSystem, BACKUPS);
    const manifest = await repository.read();
    const file = manifest.files.find(({ path }) => path.endsWith('.parquet'))!;
    await turnBit(fileSystem, repository.pathOf(file.sha256), 100);
    const { findings } = await verifyBackup(repository, manifest);
    assert.deepEqual(pathsOf(findings), [file.path]);
    await assert.rejects(
      restore(fileSystem, '/restored'),
      isCode('TRIBUTARY_STORAGE_BACKUP_DAMAGED'),
    );
    assert.equal(await fileSystem.exists('/restored/control.json'), false);
    await turnBit(fileSystem, `${BACKUPS}/backups/${manifest.id}.json`, 60);
    await assert.rejects(repository.read(), isCode('TRIBUTARY_STORAGE_BACKUP_MALFORMED'));
    const next = await backUp(fileSystem, NOW + 1_000_000);
    assert.equal(next.copiedFiles, next.files, 'one that cannot be read is not built upon');
  });

  it('verify names each file in which a bit has turned, wherever in it', async (context) => {
    const { engine, fileSystem } = await filled(context);
    await engine.engine.close();
    assert.deepEqual((await verified(fileSystem)).findings, []);
    await backUp(fileSystem);
    const { files } = await new BackupRepository(fileSystem, BACKUPS).read();
    const kinds = [/control\.json$/, /secret$/, /wal-\d+$/, /metadata\.json$/, /\.avro$/];
    for (const kind of kinds) {
      const { path, bytes } = files.find((file) => kind.test(file.path) && file.bytes > 0)!;
      const damaged = fileSystem.copy();
      await turnBit(damaged, `${DATA}/${path}`, Math.floor(bytes / 2));
      const found = pathsOf((await verified(damaged)).findings);
      assert.ok(found.length > 0, `${path} has a turned bit`);
    }
    const parquet = files.find(({ path }) => path.endsWith('.parquet'))!;
    const cut = fileSystem.copy();
    const handle = await cut.open(`${DATA}/${parquet.path}`, 'edit');
    await handle.truncate(parquet.bytes - 1);
    assert.deepEqual(pathsOf((await verified(cut)).findings), [parquet.path]);
    await cut.unlink(`${DATA}/${parquet.path}`);
    assert.deepEqual(pathsOf((await verified(cut)).findings), [parquet.path]);
    for (let part = 0; part < BIT_TURNS; part += 1) {
      const turned = fileSystem.copy();
      const position = Math.floor((parquet.bytes * part) / BIT_TURNS);
      await turnBit(turned, `${DATA}/${parquet.path}`, position);
      const { findings } = await verified(turned);
      assert.deepEqual(pathsOf(findings), [parquet.path]);
      assert.match(findings[0]!.reason, /^its checksum is [0-9a-f]{8}$/);
    }
  });

  it('verify says so when the log has lost what the lake has', async (context) => {
    const { engine, fileSystem } = await filled(context);
    await engine.engine.close();
    const wal = `${DATA}/tenants/${TENANT_ID}/wal`;
    for (const name of await fileSystem.list(wal)) await fileSystem.unlink(`${wal}/${name}`);
    const [finding] = (await verified(fileSystem)).findings;
    assert.match(finding!.reason, /^the log ends at sequence -?\d+, the lake has \d+ already$/);
    // Symptom: an appliance that was started over it gave sequences twice, and lost the rows at the next start.
    await assert.rejects(open(context, fileSystem), isCode('TRIBUTARY_STORAGE_LOG_BEHIND_LAKE'));
    const loss = { acceptDataLoss: true };
    const accepting = await open(context, fileSystem, DATA, loss);
    assert.ok(accepting.tenant.recovery.lostEvents > 0);
    const before = (await shown(accepting))['events']!.length;
    await sendBatches(accepting, 90, 93);
    const { events } = await shown(accepting);
    assert.equal(new Set(events).size, before + 3, 'no sequence is given twice');
    await accepting.engine.close();
    const again = await open(context, fileSystem, DATA, loss);
    assert.deepEqual((await shown(again))['events'], events);
  });
});

async function turnBit(fileSystem: FileSystem, path: string, position: number): Promise<void> {
  const handle = await fileSystem.open(path, 'edit');
  const byte = new Uint8Array(1);
  await handle.read(byte, 0, 1, position);
  await handle.write([Uint8Array.of(byte[0]! ^ 4)], position);
  await handle.close();
}

function pathsOf(findings: readonly Finding[]): string[] {
  return findings.map(({ path }) => path);
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof TributaryError && error.code === code;
}
