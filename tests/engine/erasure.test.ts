/**
 * Erasing a person: nothing of them is left in any answer, everybody else is untouched, and it stays so
 * whatever is restarted, flushed or rewritten.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import fc from 'fast-check';
import type { Mentions } from '../../engine/erasure-keeper.ts';
import type { Erasure } from '../../engine/erasure-ledger.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { openDuckDb } from '../native/scan-harness.ts';
import { NOW, TENANT_ID, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { newestColdList } from '../support/newest-cold-list.ts';
import { tieredValues } from '../support/tiered-rows.ts';

const nothing = (): Promise<Mentions> => Promise.resolve({ deadLetters: [], warnings: [] });

describe('erasure', () => {
  let duckdb: DuckDBConnection;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  /** An appliance that can be restarted over its data. */
  class Store {
    readonly #context: TestContext;
    readonly directory: string;
    engine!: TestEngine;

    static async open(context: TestContext): Promise<Store> {
      const directory = mkdtempSync(join(tmpdir(), 'tributary-erasure-'));
      context.after(() => rmSync(directory, { recursive: true }));
      const store = new Store(context, directory);
      await store.restart();
      return store;
    }

    private constructor(context: TestContext, directory: string) {
      this.#context = context;
      this.directory = directory;
    }

    async restart(): Promise<void> {
      await this.engine?.engine.close();
      this.engine = await TestEngine.open(this.#context, new NodeFileSystem(), {
        dataDirectory: this.directory,
        flush: { flushAgeMs: Number.POSITIVE_INFINITY },
      });
    }

    get open() {
      return this.engine.engine.openTenant(TENANT_ID);
    }

    flush(): Promise<void> {
      return this.open.flusher.flush();
    }

    erase(userId: string): Promise<Erasure> {
      const subject = { identifier: { type: 'user_id', value: userId } };
      return this.open.erasures.erase(subject, null, nothing, NOW);
    }

    profileOf(type: string, value: string): string | null {
      return this.engine.tenant.identity.resolveProfileId(type, value);
    }

    /** Values of a column of all rows of a table that a query sees, with their anchors. */
    async rows(table: string, column: string, by: string): Promise<[string, number][]> {
      const cold = this.open.cold.tables.find(({ lake }) => lake.name === table)!;
      const { store } = this.engine.engine;
      const values = await tieredValues(duckdb, cold, store, column);
      const keys = await tieredValues(duckdb, cold, store, by);
      const { except } = newestColdList(this.engine.tenant.hotDirectory, table);
      const own = except.find((condition) => condition.column === by)?.values ?? [];
      return values
        .map((value, index): [string, number] => [value, Number(keys[index])])
        .filter(([, key]) => !own.includes(key));
    }

    async messages(): Promise<string[]> {
      return (await this.rows('events', 'message_id', 'anchor')).map(([id]) => id);
    }
  }

  let counter = 0;
  const eventOf = (userId: string | null, device: string): TestEvent => {
    counter += 1;
    return {
      type: 'identify',
      messageId: `m${counter}`,
      anonymousId: device,
      ...(userId !== null && { userId, traits: { email: `${userId}@mail.example` } }),
    };
  };

  it('a person is in no answer, and comes back as somebody new', async (context) => {
    const store = await Store.open(context);
    const [ann, ben] = [eventOf('ann', 'd1'), eventOf('ben', 'd2')];
    await store.engine.send([ann, ben, { type: 'track', event: 'Seen', anonymousId: 'd1' }]);
    const [former, other] = ['ann', 'ben'].map((user) => store.profileOf('user_id', user));
    await store.flush();
    await store.engine.send([eventOf('ann', 'd1')]);
    const erasure = await store.erase('ann');
    assert.deepEqual(erasure.counts, {
      ...{ identifiers: 3, events: 3, edges: 2, deadLetters: 0, warnings: 0 },
    });
    const check = async (): Promise<void> => {
      assert.deepEqual(await store.messages(), [ben['messageId']]);
      assert.equal(store.profileOf('user_id', 'ann'), null);
      assert.equal(store.profileOf('email', 'ann@mail.example'), null);
      assert.equal(store.profileOf('anonymous_id', 'd1'), null);
      assert.equal(store.profileOf('user_id', 'ben'), other);
      assert.equal(store.engine.tenant.identity.graphOf(former!), undefined);
      const nodes = await store.rows('edges', 'b_node', 'a_anchor');
      assert.equal(nodes.length, 2, 'the edges of ben');
    };
    await check();
    await store.restart();
    await check();
    await store.flush();
    await check();

    await store.engine.send([eventOf('ann', 'd1')]);
    const latter = store.profileOf('user_id', 'ann');
    assert.notEqual(latter, null);
    assert.notEqual(latter, former);
    assert.equal((await store.messages()).length, 2);
    const { anchors } = store.open.erasures.all[0]!;
    assert.ok(anchors.every((anchor) => store.engine.tenant.identity.profiles.isErased(anchor)));
    await store.restart();
    assert.equal(store.profileOf('user_id', 'ann'), latter);
    assert.equal((await store.messages()).length, 2);
  });

  it('a device of two people stays with the other one', async (context) => {
    const store = await Store.open(context);
    await store.engine.send([eventOf('ann', 'tablet')]);
    await store.engine.send([eventOf('ben', 'tablet')]);
    const ben = store.profileOf('user_id', 'ben');
    assert.equal(store.profileOf('anonymous_id', 'tablet'), ben);
    await store.erase('ann');
    assert.equal(store.profileOf('anonymous_id', 'tablet'), ben);
    await store.erase('ben');
    assert.equal(store.profileOf('anonymous_id', 'tablet'), null);
    assert.deepEqual(await store.messages(), []);
  });

  it('a person erased while batches stream in leaves what every replay of the log gives', async (context) => {
    const store = await Store.open(context);
    const users = ['ann', 'ben', 'cem', 'dia'];
    const batch = (round: number): TestEvent[] =>
      users.map((user, index) => eventOf(round % 3 === 0 ? null : user, `d${index}-${round % 7}`));
    const sent: Promise<unknown>[] = [];
    const erased: Promise<unknown>[] = [];
    for (let round = 1; round <= 60; round += 1) {
      sent.push(store.engine.send(batch(round)));
      // Everybody was seen before somebody is erased.
      if (round === 3) await Promise.all(sent);
      if (round % 20 === 0) erased.push(store.erase(users[round / 20]!));
      if (round % 5 === 0) await new Promise(setImmediate);
    }
    await Promise.all([...sent, ...erased]);
    const answers = async () => ({
      messages: await store.messages(),
      profiles: users.map((user) => store.profileOf('user_id', user)),
      devices: users.flatMap((_, index) =>
        [0, 1, 2, 3, 4, 5, 6].map((round) => store.profileOf('anonymous_id', `d${index}-${round}`)),
      ),
      edges: await store.rows('edges', 'edge', 'a_anchor'),
      erasures: store.open.erasures.all,
    });
    const live = await answers();
    assert.equal(live.erasures.length, 3);
    await store.restart();
    assert.deepEqual(await answers(), live);
    await store.flush();
    await store.restart();
    assert.deepEqual(await answers(), live);
  });

  it('answers are as if the person had never been, whatever happens before and after', async (context) => {
    type Step = 'flush' | 'restart' | readonly (readonly [number, number])[];
    const visit = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 5 }));
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 4, arbitrary: fc.array(visit, { minLength: 1, maxLength: 8 }) },
      { weight: 1, arbitrary: fc.constant('flush' as const) },
      { weight: 1, arbitrary: fc.constant('restart' as const) },
    );
    const run = async (store: Store, steps: readonly Step[]): Promise<void> => {
      for (const one of steps) {
        if (one === 'flush') await store.flush();
        else if (one === 'restart') await store.restart();
        else {
          const events = one.map(([user, device]) =>
            eventOf(user === 0 ? null : `u${user}`, `d${device}`),
          );
          await store.engine.send(events);
        }
      }
    };
    const steps = fc.array(step, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(steps, steps, async (earlier, later) => {
        const store = await Store.open(context);
        await run(store, [[[1, 1]], ...earlier]);
        const { profiles } = store.engine.tenant.identity;
        const person = store.engine.tenant.identity.profileOf('user_id', 'u1');
        const isTheirs = (anchor: number): boolean =>
          anchor > 0 && profiles.profileOf[anchor] === person;
        const rows = await store.rows('events', 'message_id', 'anchor');
        const kept = rows.filter(([, anchor]) => !isTheirs(anchor)).map(([id]) => id);
        const others = [2, 3, 4].map((user) => store.profileOf('user_id', `u${user}`));
        await store.erase('u1');
        assert.deepEqual(await store.messages(), kept);
        assert.equal(store.profileOf('user_id', 'u1'), null);
        assert.deepEqual(
          [2, 3, 4].map((user) => store.profileOf('user_id', `u${user}`)),
          others,
        );
        await run(store, later);
        const after = await store.messages();
        assert.deepEqual(after.slice(0, kept.length), kept);
        const sent = later.flatMap((one) => (typeof one === 'string' ? [] : one));
        assert.equal(after.length, kept.length + sent.length);
        await store.restart();
        assert.deepEqual(await store.messages(), after);
        await store.engine.engine.close();
      }),
      { numRuns: Number(process.env['ERASURE_RUNS'] ?? 4), includeErrorInReport: true },
    );
  });
});
