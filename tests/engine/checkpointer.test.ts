/** Checkpoints of a tenant that is serving, made by the real process; starts from them; kills at any time. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, truncateSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { seededRandomSource } from '../../base/random.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import type { Checkpointer } from '../../engine/checkpointer.ts';
import { checkpointDirectoryOf } from '../../engine/data-files.ts';
import type { OpenTenant } from '../../engine/engine.ts';
import { RECORD_WORDS } from '../../identity/profile-store.ts';
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

async function start(context: TestContext, dataDirectory: string): Promise<Site> {
  const engine = await TestEngine.open(context, new NodeFileSystem(), {
    dataDirectory,
    capacities: CAPACITIES,
    checkpointLogBytes: 1e15,
    random: seededRandomSource(++starts),
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
  return { users, events, ids: users.map((profile) => profiles.profileId(profile)) };
}

const filesIn = (dataDirectory: string): string[] =>
  readdirSync(`${dataDirectory}/${checkpointDirectoryOf(TENANT_ID)}`).sort();

test('a start replays only what came after the last checkpoint, and knows what came before', async (context) => {
  const dataDirectory = temporaryDirectory(context);
  const first = await start(context, dataDirectory);
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
  for (let round = 0; round < 3; round += 1) {
    await send(site, round * 100, round * 100 + 100);
    await site.open.flusher.flush();
    await site.checkpointer.checkpoint();
  }
  assert.equal(site.checkpointer.statistics.failures, 0);
  const files = filesIn(dataDirectory);
  assert.deepEqual(files, ['checkpoint-0000000000000201', 'checkpoint-0000000000000301']);
  const before = people(site);
  await site.engine.engine.close();

  truncateSync(`${dataDirectory}/${checkpointDirectoryOf(TENANT_ID)}/${files[1]}`, 1000);
  const again = await start(context, dataDirectory);
  assert.equal(again.engine.tenant.recovery.events, 100, 'the older one takes its place');
  assert.deepEqual(people(again), before);
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
