/** Checkpoints of a tenant that is serving, made by the real process; starts from them; kills at any time. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { TributaryError } from '../../base/errors.ts';
import { seededRandomSource } from '../../base/random.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import type { Checkpointer } from '../../engine/checkpointer.ts';
import { checkpointDirectoryOf, walDirectoryOf } from '../../engine/data-files.ts';
import type { EngineOptions, OpenTenant } from '../../engine/engine.ts';
import { holdLog } from '../../engine/log-trim.ts';
import { RECORD_WORDS } from '../../identity/profile-store.ts';
import { native } from '../../native/index.ts';
import { LocalObjectStore } from '../../storage/lake/local-object-store.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { NOW, TENANT_ID, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { temporaryDirectory } from '../support/hot-fixture.ts';

const CAPACITIES = { ...TENANT_CAPACITIES, segmentRows: 256, identityNodes: 65_536 };

interface Site {
  readonly engine: TestEngine;
  readonly open: OpenTenant;
  readonly checkpointer: Checkpointer;
}

/** Each start draws other names for its files. */
let starts = 100;

async function start(
  context: TestContext,
  dataDirectory: string,
  options: Partial<EngineOptions> = {},
): Promise<Site> {
  const engine = await TestEngine.open(context, new NodeFileSystem(native), {
    dataDirectory,
    capacities: CAPACITIES,
    checkpointLogBytes: 1e15,
    random: seededRandomSource(++starts),
    ...options,
  });
  const open = engine.engine.openTenant(TENANT_ID);
  const { checkpointer } = open;
  assert.ok(checkpointer !== undefined);
  return { engine, open, checkpointer };
}

const page = (number: number): TestEvent => ({
  type: 'page',
  messageId: `m${number}`,
  userId: `u${number % 50}`,
  anonymousId: `d${number % 70}`,
});

async function send({ engine }: Site, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 50) {
    const events = Array.from({ length: Math.min(50, to - at) }, (_, index) => page(at + index));
    await engine.send(events, NOW + at);
  }
}

/** What identity says, whatever the start began with. */
function people({ engine }: Site): unknown {
  const { identity } = engine.tenant;
  const { profiles } = identity;
  const users = Array.from({ length: 50 }, (_, index) =>
    identity.profileOf('user_id', `u${index}`),
  );
  const events = users.map((profile) =>
    profiles.anchorsOf(profile).map((anchor) => profiles.records[anchor * RECORD_WORDS]),
  );
  return { users, events, ids: users.map((profile) => profiles.idOf(profile)) };
}

const checkpointsIn = (dataDirectory: string): string =>
  `${dataDirectory}/${checkpointDirectoryOf(TENANT_ID)}`;
const logIn = (dataDirectory: string): string => `${dataDirectory}/${walDirectoryOf(TENANT_ID)}`;
const filesIn = (dataDirectory: string): string[] =>
  readdirSync(checkpointsIn(dataDirectory)).sort();
const logFilesIn = (dataDirectory: string): string[] => readdirSync(logIn(dataDirectory)).sort();

/** Sends and flushes a hundred events, and makes a checkpoint of them, so many times. */
async function checkpoints(site: Site, from: number, rounds: number): Promise<void> {
  for (let round = from; round < from + rounds; round += 1) {
    await send(site, round * 100, round * 100 + 100);
    await site.open.flusher.flush();
    await site.checkpointer.checkpoint();
  }
  assert.equal(site.checkpointer.statistics.failures, 0);
}

test('a start replays only what came after the last checkpoint, and knows what came before', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  // As large as an appliance's: what is only reserved must not count as memory of the process.
  const first = await start(context, dataDirectory, { capacities: TENANT_CAPACITIES });
  await send(first, 0, 1000);
  await first.open.flusher.flush();
  await first.checkpointer.checkpoint();
  assert.equal(first.checkpointer.statistics.checkpoints, 1);
  await send(first, 1000, 1100);
  const before = people(first);
  const hotDirectory = first.engine.tenant.hotDirectory;
  await first.engine.engine.close();
  assert.equal(existsSync(`${hotDirectory}-checkpoint`), false);

  const second = await start(context, dataDirectory);
  assert.equal(second.engine.tenant.recovery.events, 100);
  assert.deepEqual(people(second), before);
  const repeated = await second.engine.send([page(3), page(1050), page(5000)], NOW + 2000);
  assert.equal(repeated.duplicates, 2, 'messages on both sides of the checkpoint are remembered');
});

test('the next checkpoint begins with the one before, and two are kept', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  const site = await start(context, dataDirectory);
  await checkpoints(site, 0, 3);
  const files = filesIn(dataDirectory);
  assert.deepEqual(files, ['checkpoint-0000000000000201', 'checkpoint-0000000000000301']);
  const before = people(site);
  await site.engine.engine.close();

  truncateSync(`${checkpointsIn(dataDirectory)}/${files[1]}`, 1000);
  const again = await start(context, dataDirectory);
  assert.equal(again.engine.tenant.recovery.events, 100, 'the older one takes its place');
  assert.deepEqual(people(again), before);
});

/** A file for about each batch. */
const SMALL_FILES = { ...CAPACITIES, walFileBytes: 8192 };

test('the log below the older of two checkpoints is removed, and starts go on without it', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  const first = await start(context, dataDirectory, { capacities: SMALL_FILES });
  await checkpoints(first, 0, 1);
  const whole = logFilesIn(dataDirectory);
  assert.equal(first.checkpointer.statistics.removedLogFiles, 0, 'one checkpoint is not enough');
  await checkpoints(first, 1, 3);
  const { removedLogFiles } = first.checkpointer.statistics;
  assert.ok(removedLogFiles >= 4, `${removedLogFiles} files went`);
  assert.equal(logFilesIn(dataDirectory).includes(whole[0]!), false);
  await send(first, 400, 450);
  const before = people(first);
  await first.engine.engine.close();

  const second = await start(context, dataDirectory, { capacities: SMALL_FILES });
  assert.equal(second.engine.tenant.recovery.events, 50);
  assert.deepEqual(people(second), before);
  const repeated = await second.engine.send([page(3), page(420)], NOW + 2000);
  assert.equal(repeated.duplicates, 2, 'messages of the removed log are remembered');
  await second.engine.engine.close();

  truncateSync(`${checkpointsIn(dataDirectory)}/${filesIn(dataDirectory)[1]}`, 1000);
  const third = await start(context, dataDirectory, { capacities: SMALL_FILES });
  assert.equal(third.engine.tenant.recovery.events, 152, 'the older one and the log behind it');
  assert.deepEqual(people(third), before);
  await checkpoints(third, 6, 1);
  const sound = filesIn(dataDirectory);
  assert.equal(sound.length, 2);
  assert.equal(sound[0], 'checkpoint-0000000000000301', 'the damaged one is gone');
  await third.engine.engine.close();
  const fourth = await start(context, dataDirectory, { capacities: SMALL_FILES });
  assert.equal(fourth.engine.tenant.recovery.events, 0);
});

test('a start without a checkpoint that the log reaches back to is refused, and says what to do', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  const first = await start(context, dataDirectory, { capacities: SMALL_FILES });
  await checkpoints(first, 0, 3);
  await first.engine.engine.close();
  const names = filesIn(dataDirectory);
  for (const name of names) truncateSync(`${checkpointsIn(dataDirectory)}/${name}`, 1000);
  const files = logFilesIn(dataDirectory);
  const contents = files.map((name) => readFileSync(`${logIn(dataDirectory)}/${name}`));
  for (const acceptDataLoss of [false, true]) {
    const starting = start(context, dataDirectory, { capacities: SMALL_FILES, acceptDataLoss });
    await assert.rejects(starting, (error: TributaryError) => {
      assert.equal(error.code, 'TRIBUTARY_STORAGE_CHECKPOINTS_LOST');
      for (const name of names) assert.match(error.message, new RegExp(name));
      assert.match(error.help ?? '', /restore/);
      return true;
    });
  }
  assert.deepEqual(logFilesIn(dataDirectory), files, 'nothing was changed');
  for (const [index, name] of files.entries()) {
    assert.deepEqual(readFileSync(`${logIn(dataDirectory)}/${name}`), contents[index]);
  }
});

test('a log that somebody reads is kept until the next checkpoint, and so is what the operator wants', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  const site = await start(context, dataDirectory, { capacities: SMALL_FILES });
  const release = await holdLog(new NodeFileSystem(native), logIn(dataDirectory));
  assert.ok(release !== undefined);
  await checkpoints(site, 0, 3);
  assert.equal(site.checkpointer.statistics.removedLogFiles, 0);
  assert.equal(filesIn(dataDirectory).length, 3);
  await release();
  await checkpoints(site, 3, 1);
  assert.ok(site.checkpointer.statistics.removedLogFiles > 0);
  assert.equal(filesIn(dataDirectory).length, 2);
  const { logBytes } = site.engine.tenant;
  await site.engine.engine.close();

  const keeping = await start(context, dataDirectory, {
    capacities: SMALL_FILES,
    logKeepBytes: 1e9,
  });
  await checkpoints(keeping, 4, 2);
  assert.equal(keeping.checkpointer.statistics.removedLogFiles, 0);
  assert.ok(keeping.engine.tenant.logBytes > logBytes);
});

test('a checkpoint is not made beside another that is being made', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  const site = await start(context, dataDirectory);
  await send(site, 0, 1000);
  await site.open.flusher.flush();
  const fileSystem = new NodeFileSystem(native);
  const release = await fileSystem.lock(checkpointsIn(dataDirectory), 'exclusive');
  assert.ok(release !== undefined);
  await site.checkpointer.checkpoint();
  assert.equal(site.checkpointer.statistics.failures, 1, 'two never write to one directory');
  await release();
  await site.checkpointer.checkpoint();
  assert.equal(site.checkpointer.statistics.checkpoints, 1);
});

test('a checkpoint that is ahead of the lake is not used', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  const first = await start(context, dataDirectory);
  await send(first, 0, 100);
  await first.open.flusher.flush();
  await first.checkpointer.checkpoint();
  await first.engine.engine.close();
  const fileSystem = new NodeFileSystem();
  const engine = await TestEngine.open(context, fileSystem, {
    dataDirectory,
    capacities: CAPACITIES,
    store: await LocalObjectStore.open(fileSystem, `${temporaryDirectory(context)}/lake`, 'lake'),
  });
  assert.equal(engine.tenant.recovery.events, 100, 'the rows come from the log');
});

test('a checkpoint that is killed at any time leaves a start that works', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  const random = seededRandomSource(7);
  let site = await start(context, dataDirectory);
  for (let round = 0; round < 4; round += 1) {
    await send(site, round * 200, round * 200 + 200);
    await site.open.flusher.flush();
    const made = site.checkpointer.checkpoint();
    const { processId } = site.checkpointer;
    assert.ok(processId !== undefined);
    // A process takes about 300 ms to make one.
    await new Promise((resolve) => setTimeout(resolve, 2 * random.bytes(1)[0]!));
    try {
      process.kill(processId, 'SIGKILL');
    } catch {
      // It has ended before.
    }
    await made;
    const before = people(site);
    await site.engine.engine.close();
    site = await start(context, dataDirectory);
    assert.deepEqual(people(site), before, `round ${round}`);
  }
  await site.checkpointer.checkpoint();
  assert.equal(site.checkpointer.statistics.checkpoints, 1);
  assert.equal(filesIn(dataDirectory).includes('checkpoint.tmp'), false);
});
