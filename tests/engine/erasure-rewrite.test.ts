/** Taking erased rows out of cold files: no byte of them is left, whatever is interrupted on the way. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { seededRandomSource } from '../../base/random.ts';
import { HOUR_MICROS, MIB } from '../../base/units.ts';
import { holdLog } from '../../engine/log-trim.ts';
import { Maintenance } from '../../engine/maintenance.ts';
import { native } from '../../native/index.ts';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import { type FileHandle, type FileSystem, fileSystemError } from '../../storage/file-system.ts';
import type { FileRewriter } from '../../storage/lake/file-rewriter.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { NOW, TENANT_ID, TestEngine } from '../support/engine-fixture.ts';
import { memoryRewriter } from '../support/memory-rewriter.ts';
import { newestColdList } from '../support/newest-cold-list.ts';

const MINUTE_MS = 60_000;

/** Whether linking a file to `path` commits to the table whose directory has `table` in its path. */
function isCommit(table: string | undefined, path: string): boolean {
  return table !== undefined && path.includes(table) && path.endsWith('.json');
}

/** Stores the next version of a table's metadata, and fails to say so. */
class ForgetfulDisk extends FaultFileSystem {
  /** In the path of the table's directory; undefined while all is well. */
  table: string | undefined;
  #isStored = false;

  override async link(from: string, to: string): Promise<void> {
    await super.link(from, to);
    this.#isStored = isCommit(this.table, to);
  }

  override async syncDirectory(path: string): Promise<void> {
    const fails = this.#isStored;
    this.#isStored = false;
    if (fails) throw fileSystemError('EIO', 'fsync', path);
    await super.syncDirectory(path);
  }
}

/** Reads no manifest from the next commit of a table on, until it is mended. */
class UnreadableDisk extends FaultFileSystem {
  /** In the path of the table's directory; undefined while all is well. */
  table: string | undefined;
  #isUnreadable = false;

  mend(): void {
    this.table = undefined;
    this.#isUnreadable = false;
  }

  override async link(from: string, to: string): Promise<void> {
    await super.link(from, to);
    this.#isUnreadable ||= isCommit(this.table, to);
  }

  override async open(...[path, ...others]: Parameters<FileSystem['open']>): Promise<FileHandle> {
    if (this.#isUnreadable && path.endsWith('.avro')) throw fileSystemError('EIO', 'read', path);
    return super.open(path, ...others);
  }
}

async function openStore(
  context: TestContext,
  directory?: string,
  fileSystem: FileSystem = new NodeFileSystem(native),
) {
  const data = directory ?? mkdtempSync(join(tmpdir(), 'tributary-erasure-'));
  if (directory === undefined) context.after(() => rmSync(data, { recursive: true }));
  const state = { nowMicros: NOW, monotonicMs: 0, rewritesLeft: Number.POSITIVE_INFINITY };
  const clock = { nowMicros: () => state.nowMicros, monotonicMs: () => state.monotonicMs };
  const engine = await TestEngine.open(context, fileSystem, {
    dataDirectory: data,
    clock,
    flush: { flushAgeMs: Number.POSITIVE_INFINITY },
  });
  const open = engine.engine.openTenant(TENANT_ID);
  const real = memoryRewriter(fileSystem);
  /** Fails like a process that was killed, after so many requests. */
  const rewriter: FileRewriter = {
    rewrite(request) {
      state.rewritesLeft -= 1;
      if (state.rewritesLeft >= 0) return real.rewrite(request);
      throw new TributaryError('TRIBUTARY_LAKE_REWRITE_FAILED', { reason: 'killed' });
    },
    close: () => Promise.resolve(),
  };
  const maintenance = new Maintenance({
    tenants: [open],
    store: engine.engine.store,
    fileSystem,
    rewriter,
    retention: {},
    busyReason: () => undefined,
    isDiskShort: () => false,
    clock,
    random: seededRandomSource(3),
    logger: silentLogger,
  });
  const close = async (): Promise<void> => {
    await maintenance.close();
    await engine.engine.close();
  };
  const erase = (userId: string) =>
    open.erasures.erase(
      { identifier: { type: 'user_id', value: userId } },
      null,
      () => Promise.resolve({ deadLetters: [], warnings: [] }),
      state.nowMicros,
    );
  return { data, engine, open, maintenance, state, erase, close };
}

/** The data files of the lake, live or not. */
function filesOfLake(data: string): string[] {
  return readdirSync(join(data, 'lake'), { recursive: true })
    .map((name) => join(data, 'lake', String(name)))
    .filter((path) => statSync(path).isFile() && path.endsWith('.parquet'));
}

type Store = Awaited<ReturnType<typeof openStore>>;

/** Four flushes of three people. */
async function fill({ engine, open }: Store): Promise<void> {
  for (let flush = 0; flush < 4; flush += 1) {
    const events = ['ann', 'ben', 'cem'].map((userId) => ({
      type: 'identify',
      userId,
      messageId: `${userId}-${flush}`,
      traits: { email: `${userId}@mail.example` },
    }));
    await engine.send(events);
    await open.flusher.flush();
  }
}

async function coldRows({ open }: Store, table: string): Promise<number> {
  const { lake } = open.cold.tables.find((candidate) => candidate.lake.name === table)!;
  const files = await lake.liveFiles();
  return files.reduce((sum, { recordCount }) => sum + recordCount, 0);
}

test('erased rows leave the files by themselves, and the old files leave the disk', async (context) => {
  const store = await openStore(context);
  await fill(store);
  const { open, maintenance, state } = store;
  const former = new Set(filesOfLake(store.data));
  assert.equal(await coldRows(store, 'events'), 12);
  assert.equal(await coldRows(store, 'edges'), 3);
  const { id } = await store.erase('ann');
  assert.deepEqual((await maintenance.copiesOfErased(open)).get(id), [
    ...['files', 'snapshots', 'log'],
  ]);
  await maintenance.poll();
  assert.equal(await coldRows(store, 'events'), 8);
  assert.equal(await coldRows(store, 'edges'), 2);
  assert.deepEqual(open.tenant.erasures.coldRows, {}, 'queries leave nothing out any more');
  assert.equal(open.erasures.get(id).rewritten?.rows, 5);
  assert.deepEqual((await maintenance.copiesOfErased(open)).get(id), ['snapshots', 'log']);

  // Three hours on no snapshot of before is left, nor a query that could read one.
  state.nowMicros += 3 * HOUR_MICROS;
  state.monotonicMs += 180 * MINUTE_MS;
  await maintenance.poll();
  const rewritten = filesOfLake(store.data).filter((path) => former.has(path));
  assert.deepEqual(rewritten.length, 0, 'every file of before had rows of hers');
  assert.deepEqual((await maintenance.copiesOfErased(open)).get(id), ['log']);
  await store.close();

  const again = await openStore(context, store.data);
  assert.equal(again.open.erasures.get(id).rewritten?.rows, 5);
  assert.deepEqual(again.open.tenant.erasures.coldRows, {});
  assert.equal(await coldRows(again, 'events'), 8);
  await again.close();
});

test('a rewrite that ends half-way goes on where it was, after a restart too', async (context) => {
  const store = await openStore(context);
  await fill(store);
  store.state.rewritesLeft = 2;
  const { id } = await store.erase('ben');
  await store.maintenance.poll();
  const half = await coldRows(store, 'events');
  assert.ok((await coldRows(store, 'edges')) < 3 || half < 12, 'something was rewritten');
  assert.equal(store.open.erasures.get(id).rewritten, null);
  await store.close();

  const again = await openStore(context, store.data);
  assert.equal(again.open.erasures.get(id).rewritten, null);
  assert.ok('events' in again.open.tenant.erasures.coldRows);
  await again.maintenance.poll();
  assert.equal(await coldRows(again, 'events'), 8);
  assert.notEqual(again.open.erasures.get(id).rewritten, null);
  await again.close();
});

test('rows that a flush was carrying while their person was erased are taken out, too', async (context) => {
  const store = await openStore(context);
  const { engine, open, maintenance } = store;
  const batch = Array.from({ length: 3000 }, (_, index) => ({
    type: 'track',
    event: 'Seen',
    userId: index % 2 === 0 ? 'ann' : 'ben',
    messageId: `m${index}`,
  }));
  await engine.send(batch);
  const flushing = open.flusher.flush();
  const erasing = store.erase('ann');
  await Promise.all([flushing, erasing]);
  await maintenance.poll();
  assert.equal(await coldRows(store, 'events'), 1500);
  assert.equal(open.tenant.erasures.unwritten.length, 0);
  assert.ok(engine.tenant.hot.budget.usedBytes < 512 * MIB);
  await store.close();
});

// Symptom: an erased person came back with the flush after a flush whose commit was made and not heard of: the files
// of that commit were not known yet when the log said that no file has their rows.
test('rows that a failed flush brought to the lake all the same are taken out, too', async (context) => {
  const disk = new ForgetfulDisk(new NodeFileSystem(native), {});
  const store = await openStore(context, undefined, disk);
  const { engine, open, maintenance } = store;
  const visit = (userId: string, messageId: string) => ({ type: 'page', userId, messageId });
  await engine.send([visit('ann', 'a'), visit('ben', 'b')]);
  disk.table = '/events-';
  await assert.rejects(open.flusher.flush());
  disk.table = undefined;
  await store.erase('ann');
  await maintenance.erase(open);
  assert.equal(open.tenant.erasures.unwritten.length, 0);
  await engine.send([visit('ben', 'c')]);
  await open.flusher.flush();
  assert.equal(await coldRows(store, 'events'), 2);
  await store.close();
});

// Symptom: a restored backup showed an erased person again. It had the record that says that files are rewritten,
// and the files of before.
test('while a backup is made, nothing is noted of files that it has of before', async (context) => {
  const store = await openStore(context);
  await fill(store);
  const { open, maintenance, state } = store;
  await store.erase('ann');
  const release = await holdLog(new NodeFileSystem(native), open.tenant.walDirectory);
  await maintenance.poll();
  assert.equal(await coldRows(store, 'events'), 8, 'the files are rewritten');
  assert.equal(open.tenant.erasures.unwritten.length, 1, 'nobody says so');
  await release!();
  state.monotonicMs += 2 * MINUTE_MS;
  await maintenance.poll();
  assert.equal(open.tenant.erasures.unwritten.length, 0);
  await store.close();
});

// Symptom: cold rows of an erased person were seen until the next start, and those of a flush twice.
test('cold rows are hidden while the disk of the lake fails to read', async (context) => {
  const disk = new UnreadableDisk(new NodeFileSystem(native), {});
  const store = await openStore(context, undefined, disk);
  await fill(store);
  const { engine, maintenance, open } = store;
  await engine.send([{ type: 'page', userId: 'ben', messageId: 'last' }]);
  disk.table = '/events-';
  await assert.rejects(open.flusher.flush());
  await store.erase('ann');
  assert.equal(leavesOutEvents(store), true);
  assert.equal(eventsInSight(store), 13, 'each row hot or cold, and not both');
  disk.mend();
  await maintenance.poll();
  await maintenance.erase(open);
  assert.equal(open.tenant.erasures.unwritten.length, 0);
  assert.equal(await coldRows(store, 'events'), 9);
  await store.close();
});

/** Whether queries that begin now leave rows of `events` out. */
function leavesOutEvents({ engine }: Store): boolean {
  return newestColdList(engine.tenant.hotDirectory, 'events').except.length > 0;
}

/** How many rows of `events` a query that begins now finds in cold files and hot segments. */
function eventsInSight({ engine, open }: Store): number {
  const { hot } = open.cold.tables.find((candidate) => candidate.lake.name === 'events')!;
  const { files } = newestColdList(engine.tenant.hotDirectory, 'events');
  const cold = files.reduce((sum, { rows }) => sum + rows, 0);
  return cold + hot.publishedRows - hot.floorRow;
}
