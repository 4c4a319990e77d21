/** The lake's tables of identity, written from real checkpoints: what another engine would find in them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { TributaryError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { seededRandomSource } from '../../base/random.ts';
import { HOUR_MICROS, MIB } from '../../base/units.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import { IdentityUpkeep } from '../../engine/identity-upkeep.ts';
import type { IdentityWriter } from '../../engine/identity-writer.ts';
import { parquetSource } from '../../query/cold-source.ts';
import { writeIdentityFiles } from '../../query/identity-files.ts';
import { IdentityProcess } from '../../query/identity-process.ts';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import { keyOf } from '../../storage/lake/location.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { openDuckDb } from '../native/scan-harness.ts';
import { NOW, TENANT_ID, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { temporaryDirectory } from '../support/hot-fixture.ts';

const CAPACITIES = { ...TENANT_CAPACITIES, segmentRows: 1024, identityNodes: 65_536 };
const LIMITS = { threads: 1, memoryBytesMax: 256 * MIB, spillBytesMax: 256 * MIB };
const INTERVAL_MS = 3_600_000;

/** In the test's own process. */
const inlineWriter: IdentityWriter = {
  write: (request) => writeIdentityFiles(request, new NodeFileSystem(), LIMITS),
  close: () => Promise.resolve(),
};

const track = (number: number, ids: Readonly<Record<string, unknown>>): TestEvent => ({
  type: 'track',
  event: 'Seen',
  messageId: `m${number}`,
  ...ids,
});

describe('identity in the lake', () => {
  let duckdb: DuckDBConnection;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  async function openSite(context: TestContext, writer = inlineWriter) {
    const state = { micros: NOW };
    const clock = { nowMicros: () => state.micros, monotonicMs: () => (state.micros - NOW) / 1000 };
    const fileSystem = new NodeFileSystem();
    const engine = await TestEngine.open(context, fileSystem, {
      dataDirectory: temporaryDirectory(context),
      capacities: CAPACITIES,
      checkpointLogBytes: 1e15,
      clock,
    });
    const { store } = engine.engine;
    const open = engine.engine.openTenant(TENANT_ID);
    const upkeep = new IdentityUpkeep({
      writer,
      intervalMs: INTERVAL_MS,
      store,
      fileSystem,
      clock,
      random: seededRandomSource(7),
      logger: silentLogger,
    });
    /** Opened again after a failure. */
    const tables = async (): Promise<{ identifiers: LakeTable; profiles: LakeTable }> => {
      const [identifiers, profiles] = (await upkeep.tablesOf(open)).lakeTables;
      return { identifiers: identifiers!, profiles: profiles! };
    };
    const events = open.cold.tables.find(({ lake }) => lake.name === 'events')!.lake;

    /** Runs `sql`, in which IDENTIFIERS, PROFILES and EVENTS stand for the tables of the lake. */
    async function ask(sql: string): Promise<unknown[][]> {
      const { identifiers, profiles } = await tables();
      const sources = await Promise.all(
        [identifiers, profiles, events].map(async (table) => {
          const files = await table.liveFiles();
          const paths = files.map(
            ({ location }) => store.localPath(keyOf(store.bucket, location))!,
          );
          return parquetSource(paths, table.schema.columns);
        }),
      );
      const text = ['IDENTIFIERS', 'PROFILES', 'EVENTS'].reduce(
        (made, name, index) => made.replaceAll(name, sources[index]!),
        sql,
      );
      return (await duckdb.runAndReadAll(text)).getRowsJson() as unknown[][];
    }
    return { ask, engine, open, state, store, tables, upkeep };
  }

  type Site = Awaited<ReturnType<typeof openSite>>;

  /** Twenty people on thirty devices, then `joins` of them turn out to be their neighbours. */
  async function sendPeople({ engine, open }: Site, from: number, joins: number): Promise<void> {
    const seen = Array.from({ length: 60 }, (_, index) =>
      track(from + index, { userId: `u${index % 20}`, anonymousId: `a${index % 30}` }),
    );
    const joined = Array.from({ length: joins }, (_, index) => ({
      type: 'identify',
      messageId: `j${from + index}`,
      anonymousId: `new${from + index}`,
      traits: { email: `e${index % 3}@example.com` },
    }));
    await engine.send([...seen, ...joined], NOW);
    await open.flusher.flush();
  }

  /** What another engine makes of the events, held against what identity says. */
  async function assertConsistent({ ask, engine, open, tables }: Site): Promise<void> {
    const { identifiers, profiles } = await tables();
    const { identity } = engine.tenant;
    const sequence = open.cold.sequence;
    assert.equal(identifiers.currentSnapshot!.sequence, sequence);
    assert.equal(profiles.currentSnapshot!.sequence, sequence);
    const people = await ask(`SELECT i.profile_id, e.user_id, count(*)::INTEGER
      FROM EVENTS AS e JOIN IDENTIFIERS AS i USING (anchor)
      WHERE e.user_id IS NOT NULL AND e.sequence <= i.sequence GROUP BY ALL ORDER BY ALL`);
    for (const [id, user] of people) {
      assert.equal(identity.resolveProfileId('user_id', String(user)), id);
    }
    assert.equal(people.length, 20);
    assert.deepEqual(
      await ask(`SELECT profile_id, profile, count(*)::INTEGER, sum(event_count)::INTEGER,
          min(first_seen), max(last_seen) FROM IDENTIFIERS GROUP BY ALL ORDER BY ALL`),
      await ask(`SELECT profile_id, profile, anchor_count, event_count::INTEGER,
          first_seen, last_seen FROM PROFILES ORDER BY ALL`),
    );
    assert.deepEqual(
      await ask('SELECT sum(event_count)::INTEGER, min(sequence)::INTEGER FROM PROFILES'),
      await ask(`SELECT count(anchor)::INTEGER, ${sequence} FROM EVENTS`),
    );
    for (const [id, type, value, isCurrent] of await ask(
      'SELECT profile_id, type, value, is_current FROM IDENTIFIERS',
    )) {
      const now = identity.resolveProfileId(String(type), String(value));
      if (isCurrent === true) assert.equal(now, id, `${type} ${value}`);
    }
    assert.deepEqual(
      await ask('SELECT user_id FROM PROFILES WHERE user_id IS NOT NULL ORDER BY user_id'),
      Array.from({ length: 20 }, (_, index) => [`u${index}`]).sort(),
    );
  }

  it('agrees with the events of the lake up to its sequence, before and after merges', async (context) => {
    const site = await openSite(context);
    await sendPeople(site, 0, 0);
    const first = await site.upkeep.write(site.open);
    assert.equal(first!.sequence, 60);
    await assertConsistent(site);
    await sendPeople(site, 100, 9);
    const { profiles } = await site.tables();
    const [before] = await profiles.liveFiles();
    await site.upkeep.write(site.open);
    await assertConsistent(site);
    const [after, ...others] = await profiles.liveFiles();
    assert.notEqual(after!.location, before!.location);
    assert.deepEqual(others, []);
    assert.equal(await site.upkeep.write(site.open), undefined, 'there is nothing new');
    // No bounds tell who somebody is.
    for (const table of (await site.upkeep.tablesOf(site.open)).lakeTables) {
      const [file] = await table.liveFiles();
      const bounded = table.schema.columns.filter(({ id }) => file!.columns.get(id)?.lower);
      const names = bounded.map(({ name }) => name);
      for (const name of ['value', 'user_id', 'profile_id']) assert.ok(!names.includes(name), name);
      assert.ok(names.includes('sequence') && names.includes(table.schema.columns[1]!.name));
    }
  });

  it('has the declared traits as columns of their types, as declarations come and change', async (context) => {
    const site = await openSite(context);
    const { commands } = site.engine.tenant;
    const plan = { name: 'plan', path: 'plan' };
    const since = { name: 'since', path: 'since', type: 'timestamp' } as const;
    const city = { name: 'sequence', path: 'address.city', type: 'string' } as const;
    const say = async (number: number, traits: object): Promise<void> => {
      const said = { type: 'identify', messageId: `s${number}`, userId: `u${number}`, traits };
      await site.engine.send([said], NOW);
      await site.open.flusher.flush();
      await site.upkeep.write(site.open);
    };
    const columnsOf = async (): Promise<string[]> => {
      const { columns } = (await site.tables()).profiles.schema;
      return columns.slice(8).map(({ name, type }) => `${name} ${type}`);
    };
    await commands.declareTraits([{ ...plan, type: 'string' }, since, city], undefined, NOW);
    await say(1, { plan: 7, since: '2026-01-01', address: { city: 'Bern' } });
    assert.deepEqual(await columnsOf(), [
      'plan string',
      'since timestamptz',
      'trait_sequence string',
    ]);
    const read = 'SELECT user_id, plan, since, trait_sequence FROM PROFILES ORDER BY ALL';
    assert.deepEqual(await site.ask(read), [['u1', '7', '2026-01-01 00:00:00+00', 'Bern']]);
    await commands.declareTraits([{ ...plan, type: 'long' }, since], undefined, NOW);
    await say(2, { plan: '8', since: 'never' });
    assert.deepEqual((await columnsOf()).slice(0, 1), ['string_plan string']);
    assert.deepEqual(await site.ask(read), [
      ['u1', '7', '2026-01-01 00:00:00+00', null],
      ['u2', '8', null, null],
    ]);
    assert.deepEqual(await site.ask('SELECT DISTINCT string_plan FROM PROFILES'), [[null]]);
    const { profiles } = await site.tables();
    const [file] = await profiles.liveFiles();
    for (const { id } of profiles.schema.columns.slice(8)) {
      assert.equal(file!.columns.get(id)?.lower, undefined, 'traits are personal');
    }
  });

  it('leaves out what is not flushed yet, and what came later does not show', async (context) => {
    const site = await openSite(context);
    await sendPeople(site, 0, 0);
    await site.engine.send([track(500, { userId: 'late', anonymousId: 'late' })], NOW);
    await site.upkeep.write(site.open);
    await assertConsistent(site);
    const late = "SELECT count(*)::INTEGER FROM IDENTIFIERS WHERE value = 'late'";
    assert.deepEqual(await site.ask(late), [[0]]);
    await site.open.flusher.flush();
    await site.upkeep.write(site.open);
    assert.deepEqual(await site.ask(late), [[2]]);
  });

  it('has an erased person no more, nor do its files after some hours', async (context) => {
    const site = await openSite(context);
    const { open, state, store, upkeep } = site;
    await sendPeople(site, 0, 0);
    await upkeep.write(open);
    const of7 = "SELECT count(*)::INTEGER FROM IDENTIFIERS WHERE value = 'u7' AND type = 'user_id'";
    assert.deepEqual(await site.ask(of7), [[1]]);
    const { profiles, identifiers } = await site.tables();
    const former = [...(await profiles.liveFiles()), ...(await identifiers.liveFiles())];
    const subject = { identifier: { type: 'user_id', value: 'u7' } };
    await open.erasures.erase(
      subject,
      null,
      () => Promise.resolve({ deadLetters: [], warnings: [] }),
      NOW,
    );
    await site.engine.send([track(900, { userId: 'u1' })], NOW);
    await open.flusher.flush();
    await upkeep.write(open);
    assert.deepEqual(await site.ask(of7), [[0]]);
    assert.deepEqual(await site.ask("SELECT user_id FROM PROFILES WHERE user_id = 'u7'"), []);
    assert.deepEqual(
      await site.ask('SELECT count(*)::INTEGER FROM PROFILES WHERE user_id IS NOT NULL'),
      [[19]],
    );
    const tables = await upkeep.tablesOf(open);
    await tables.expire();
    assert.equal(profiles.snapshots.length, 2);
    state.micros += 4 * HOUR_MICROS;
    await tables.expire();
    assert.equal(profiles.snapshots.length, 1);
    for (const { location } of former) {
      assert.equal(await store.head(keyOf(store.bucket, location)), undefined);
    }
  });

  it('is due an interval after the last write, when rows were flushed since', async (context) => {
    const { open, state, upkeep, ...site } = await openSite(context);
    const isDueAfter = (ms: number): Promise<boolean> => {
      state.micros += ms * 1000;
      return upkeep.isDue(open);
    };
    assert.equal(await isDueAfter(2 * INTERVAL_MS), false);
    await sendPeople({ open, state, upkeep, ...site }, 0, 0);
    assert.equal(await isDueAfter(0), true);
    await upkeep.write(open);
    assert.equal(await isDueAfter(2 * INTERVAL_MS), false);
    await sendPeople({ open, state, upkeep, ...site }, 100, 0);
    assert.equal(await isDueAfter(0), true);
  });

  it('is written by a process of its own, which closing ends', async (context) => {
    const process = new IdentityProcess();
    const site = await openSite(context, process);
    await sendPeople(site, 0, 5);
    await site.upkeep.write(site.open);
    await assertConsistent(site);
    await sendPeople(site, 100, 5);
    const failing = assert.rejects(site.upkeep.write(site.open), /REWRITE_FAILED|closing|SIGKILL/);
    let isOver = false;
    void failing.finally(() => {
      isOver = true;
    });
    while (process.processId === undefined && !isOver) await delay(1);
    await site.upkeep.close();
    await failing;
    assert.equal((await site.tables()).profiles.currentSnapshot!.sequence, 65);
    await assert.rejects(site.upkeep.write(site.open), /closing/);
  });

  it('rests after a failure, leaves nothing behind, and is written then', async (context) => {
    let failures = 2;
    const site = await openSite(context, {
      async write(request) {
        const written = await inlineWriter.write(request);
        if (failures-- > 0) {
          throw new TributaryError('TRIBUTARY_LAKE_REWRITE_FAILED', { reason: 'no room' });
        }
        return written;
      },
      close: () => Promise.resolve(),
    });
    const { open, state, store, upkeep } = site;
    await sendPeople(site, 0, 0);
    state.micros += INTERVAL_MS * 1000;
    for (const restMs of [60_000, 120_000]) {
      assert.equal(await upkeep.isDue(open), true);
      await assert.rejects(upkeep.write(open), /no room/);
      assert.deepEqual(readdirSync(store.stagingDirectory), []);
      assert.equal(existsSync(`${open.tenant.hotDirectory}-identity`), false);
      assert.equal(await upkeep.isDue(open), false);
      state.micros += restMs * 1000;
    }
    await upkeep.write(open);
    assert.equal(upkeep.statistics.failures, 2);
    await assertConsistent(site);
  });
});
