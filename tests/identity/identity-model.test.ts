/** Identity against a naive model, over random events; and against itself, replayed from the log. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RECORD_WORDS } from '../../identity/profile-store.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NOW, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { identityState } from '../support/identity-state.ts';
import { type Row, readRows } from '../support/read-rows.ts';
import { ReferenceIdentity } from '../support/reference-identity.ts';

const id = (prefix: string, count: number): fc.Arbitrary<string> =>
  fc.nat(count - 1).map((number) => `${prefix}${number}`);
const anyTraits = fc.record(
  { email: fc.oneof(id('E', 4), id('e', 4), fc.constant('null')), phone: id('00', 3) },
  { requiredKeys: [] },
);
const anyIds = fc.record(
  {
    userId: fc.oneof({ weight: 9, arbitrary: id('u', 6) }, fc.constant('anonymous')),
    anonymousId: id('d', 7),
    traits: anyTraits,
    context: fc.record({
      device: fc.record({ id: id('m', 3) }),
      externalIds: fc.array(fc.record({ id: id('', 3), type: fc.constantFrom('crm', 'shop') }), {
        maxLength: 2,
      }),
    }),
  },
  { requiredKeys: [] },
);
const anyEvent: fc.Arbitrary<TestEvent> = fc
  .oneof(
    { weight: 6, arbitrary: fc.record({ type: fc.constant('identify') }) },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('alias'),
        previousId: fc.oneof(id('u', 6), id('d', 7)),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('group'), groupId: id('g', 2) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('track'),
        event: fc.constantFrom('Logged Out', 'Bought'),
      }),
    },
  )
  .chain((head) =>
    anyIds.map((ids) => {
      const { userId, anonymousId = 'd0' } = ids;
      const named = userId === undefined ? { anonymousId } : {};
      return {
        ...head,
        ...ids,
        ...(head.type === 'identify' || head.type === 'track' ? named : {}),
      };
    }),
  );
const anyBatches = fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 40 }), { maxLength: 5 });
/** Longer than a month, so that windows move on. */
const DAY_MICROS = 86_400 * 1_000_000;

/** The same events about other people: every run has its own, so that all runs share one engine. */
function renamed(event: TestEvent, run: number): TestEvent {
  const text = JSON.stringify(event, (key, value: unknown) => {
    const isId = ['userId', 'anonymousId', 'previousId', 'id', 'email'].includes(key);
    if (key === 'phone') return `${String(value)}${run}`;
    return isId && value !== 'null' && value !== 'anonymous' ? `${String(value)}.${run}` : value;
  });
  return JSON.parse(text) as TestEvent;
}

test('live identity and the model agree, and the log replays to the same state', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const live = await TestEngine.open(context, fileSystem);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(anyBatches, async (batches) => {
      run += 1;
      const model = new ReferenceIdentity();
      const { hot } = live.tenant;
      const start = { rows: hot.events.stagedRows, edges: hot.edges.stagedRows };
      for (const [index, batch] of batches.entries()) {
        const now = NOW + index * 17 * DAY_MICROS;
        const events = batch.map((event) => renamed(event, run));
        await live.send(events, now);
        for (const event of events) model.add(event, Math.floor(now / 1_000_000));
      }
      compareWithModel(live, model, start);
    }),
    { numRuns: 40 },
  );
  const state = identityState(live);
  await live.engine.close();
  const replayed = await TestEngine.open(context, fileSystem);
  assert.deepEqual(identityState(replayed), state);
});

/** Same events together, same statements, same counts, for all that came since `start`. */
function compareWithModel(
  engine: TestEngine,
  model: ReferenceIdentity,
  start: { readonly rows: number; readonly edges: number },
): void {
  const { profiles } = engine.tenant.identity;
  const rows = rowsSince(engine.tenant.hot.events, start.rows);
  assert.equal(rows.length, model.attributed.length);
  const matched = new Map<object, number>();
  model.attributed.forEach((anchor, index) => {
    const profile = profiles.profileOf[Number(rows[index]!['anchor'])]!;
    if (anchor === undefined) {
      assert.equal(profile, 0, `event ${index} names nobody`);
      return;
    }
    const known = matched.get(anchor.profile);
    if (known === undefined) {
      matched.set(anchor.profile, profile);
      assert.equal(eventsOf(engine, profile), model.eventsOf(anchor.profile));
    } else {
      assert.equal(profile, known, `event ${index} belongs with the others of its person`);
    }
  });
  assert.equal(new Set(matched.values()).size, matched.size, 'two people have two profiles');
  const { identity } = engine.tenant;
  const edges = rowsSince(engine.tenant.hot.edges, start.edges).map((edge) => ({
    a: identity.valueOf(Number(edge['a_node'])),
    b: identity.valueOf(Number(edge['b_node'])),
    kind: edge['kind'],
    state: edge['state'],
    reason: edge['reason'],
  }));
  assert.deepEqual(edges, model.edges);
}

/** Staged rows of a table from a table-wide number on. */
function rowsSince(table: HotTable, first: number): Row[] {
  return table.segments.flatMap((segment) =>
    readRows(segment, Math.min(Math.max(first - segment.firstRow, 0), segment.stagedRows)),
  );
}

function eventsOf(engine: TestEngine, profile: number): number {
  const { profiles } = engine.tenant.identity;
  return profiles
    .anchorsOf(profile)
    .reduce((sum, anchor) => sum + profiles.records[anchor * RECORD_WORDS]!, 0);
}
