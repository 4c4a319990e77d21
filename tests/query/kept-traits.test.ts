/**
 * Values of declared traits that are kept are those that SQL computes from events, whatever is sent, merged,
 * taken back, erased, declared and restarted; and nothing of an erased person is among them.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import fc from 'fast-check';
import { silentLogger } from '../../base/log.ts';
import type { DeclaredTrait } from '../../engine/declared-traits.ts';
import type { Mentions } from '../../engine/erasure-keeper.ts';
import { TraitFiller } from '../../engine/trait-filler.ts';
import type { IdentityCommand } from '../../identity/identity-command.ts';
import type { SqlExecutor } from '../../ingest/ports.ts';
import { readSaidTraits } from '../../ingest/said-traits.ts';
import { native } from '../../native/index.ts';
import { HOT_CATALOG, selectOver } from '../../query/catalog.ts';
import { hotSource } from '../../query/cold-source.ts';
import { withDeclaredTraits } from '../../query/declared-columns.ts';
import type { ReadTrait } from '../../query/trait-value.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { openDuckDb, rowsOf } from '../native/scan-harness.ts';
import { NOW, TENANT_ID, TestEngine } from '../support/engine-fixture.ts';
import { joiningCommands } from '../support/identity-command-arbitrary.ts';

const DECLARED: readonly DeclaredTrait[] = [
  { name: 'plan', path: 'plan', type: 'string' },
  { name: 'score', path: 'score', type: 'long' },
  { name: 'ratio', path: 'score', type: 'double' },
  { name: 'is_member', path: 'member', type: 'boolean' },
  { name: 'since', path: 'since', type: 'timestamp' },
  { name: 'birthday', path: 'since', type: 'date' },
  { name: 'city', path: 'address.city', type: 'string' },
  { name: 'shouted', path: 'PLAN', type: 'string' },
  { name: 'crm_user', path: 'user_id', type: 'string' },
];
/** A statement that may read every column. */
const ALL = { type: 'STAR' };
const nothing = (): Promise<Mentions> => Promise.resolve({ deadLetters: [], warnings: [] });

/** An event as JSON text: a name may be there twice, or with escapes, and numbers as they are written. */
type EventText = string;
type Step =
  | { readonly send: readonly EventText[] }
  | { readonly command: IdentityCommand }
  | { readonly erase: string }
  | { readonly declare: readonly DeclaredTrait[] }
  | { readonly fill: true }
  | { readonly restart: true };

const user = fc.integer({ min: 0, max: 4 }).map((number) => `u${number}`);
const device = fc.integer({ min: 0, max: 4 }).map((number) => `d${number}`);
const value = fc.oneof(
  fc.constantFrom('"pro"', '"free"', 'null', '7', '-0', '1.50', '1e3', '9223372036854775808'),
  fc.constantFrom('true', '"TRUE"', '"2026-03-01T10:00:00Z"', '"infinity"', '[1, 2]', '""'),
  fc.constantFrom('{"city": "Bern"}', '{"city":null}', '{ }', '{"city" : 1.50,"city":2}'),
  fc.constantFrom(
    '"a longer text than a cell holds"',
    '"with \\"quotes\\" and \\u00e9 \\ud83d\\ude00"',
  ),
  fc.integer({ min: 1, max: 400 }).map((length) => JSON.stringify('é'.repeat(length))),
);
const key = fc.constantFrom(
  'plan',
  'pl\\u0061n',
  'score',
  'member',
  'since',
  'address',
  'PLAN',
  'x',
);
const traits = fc
  .array(fc.tuple(key, value), { maxLength: 4 })
  .map((members) => `{${members.map(([name, text]) => `"${name}" : ${text}`).join(', ')}}`);
const event: fc.Arbitrary<EventText> = fc
  .record({
    type: fc.constantFrom('identify', 'identify', 'identify', 'track', 'group'),
    second: fc.integer({ min: 10, max: 20 }),
    user: fc.option(user),
    device,
    traits,
    message: fc.option(fc.integer({ min: 0, max: 30 }), { freq: 3 }),
  })
  .map(({ type, second, user, device, traits, message }) => {
    const known = user === null ? '' : `"userId":"${user}",`;
    const id = message === null ? '' : `"messageId":"m${message}",`;
    return `{"type":"${type}","event":"e","groupId":"g",${known}${id}"anonymousId":"${device}",
      "timestamp":"2026-03-01T00:00:${second}Z","traits":${traits}}`;
  });
const identifier = fc.oneof(
  user.map((value) => ({ type: 'user_id', value })),
  device.map((value) => ({ type: 'anonymous_id', value })),
);
const command = joiningCommands(identifier);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.array(event, { minLength: 1, maxLength: 12 }).map((send) => ({ send })),
    },
    { weight: 2, arbitrary: command.map((command) => ({ command })) },
    { weight: 1, arbitrary: user.map((erase) => ({ erase })) },
    { weight: 1, arbitrary: fc.subarray([...DECLARED]).map((declare) => ({ declare })) },
    { weight: 2, arbitrary: fc.constant({ fill: true } as const) },
    { weight: 1, arbitrary: fc.constant({ restart: true } as const) },
  ),
  { minLength: 1, maxLength: 14 },
);

describe('kept traits', () => {
  let duckdb: DuckDBConnection;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  const open = (context: TestContext, fileSystem: MemoryFileSystem): Promise<TestEngine> =>
    TestEngine.open(context, fileSystem, { flush: { flushAgeMs: Number.POSITIVE_INFINITY } });

  const send = (engine: TestEngine, events: readonly EventText[]): Promise<unknown> =>
    engine.sendBytes(Buffer.from(`{"batch":[${events.join(',')}]}`));

  async function erase(engine: TestEngine, userId: string): Promise<void> {
    if (engine.tenant.identity.resolveProfileId('user_id', userId) === null) return;
    const subject = { identifier: { type: 'user_id', value: userId } };
    await engine.engine.openTenant(TENANT_ID).erasures.erase(subject, null, nothing, NOW);
  }

  /** Answers the appliance's own statements over `events`. */
  const executor: SqlExecutor = {
    forgetTexts() {},
    execute(_, request, sink) {
      const { sql, params } = request as { sql: string; params: number[] };
      void (async () => {
        const events = HOT_CATALOG.relations.find(({ name }) => name === 'events')!;
        await duckdb.run(`CREATE OR REPLACE VIEW events AS ${selectOver(events, hotSource)}`);
        const rows = await rowsOf(
          duckdb,
          sql.replaceAll(/\$(\d)/g, (_, n) => `${params[n - 1]}`),
        );
        const text = JSON.stringify({ rows }, (_, value) =>
          typeof value === 'bigint' ? Number(value) : value,
        );
        sink.begin('application/json', 'a query');
        sink.write(Buffer.from(text));
        sink.end();
      })();
      return { resume() {}, cancel() {} };
    },
  };

  /** Has what is missing kept. */
  async function fill({ tenant }: TestEngine): Promise<void> {
    assert.equal(native.openHotDirectory(tenant.hotDirectory), '');
    const filler = new TraitFiller({
      tenant,
      read: (...request) => readSaidTraits(executor, ...request),
      clock: { nowMicros: () => NOW, monotonicMs: () => 0 },
      logger: silentLogger,
    });
    assert.equal(await filler.fill(), true);
  }

  /** The rows of a relation with the slots of these traits. */
  function read(name: string, traits: readonly ReadTrait[]): Promise<unknown[][]> {
    const catalog = withDeclaredTraits(HOT_CATALOG, traits, ALL);
    const relation = catalog.relations.find((candidate) => candidate.name === name)!;
    return rowsOf(duckdb, `FROM (${selectOver(relation, hotSource)}) ORDER BY 1`);
  }

  /** @returns how many of the traits are kept. */
  async function check({ tenant }: TestEngine): Promise<number> {
    assert.equal(native.openHotDirectory(tenant.hotDirectory), '');
    assert.equal(tenant.traits.failure, '');
    const computed = tenant.readTraits.map((trait) => ({ ...trait, slot: 0 }));
    for (const name of ['profiles', 'declared_traits']) {
      assert.deepEqual(await read(name, tenant.readTraits), await read(name, computed), name);
    }
    return tenant.readTraits.filter(({ slot }) => slot > 0).length;
  }

  it('they are what SQL computes from events', async (context) => {
    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const fileSystem = new MemoryFileSystem();
        let engine = await open(context, fileSystem);
        await engine.tenant.commands.declareTraits(DECLARED, undefined, NOW);
        for (const step of steps) {
          const { commands } = engine.tenant;
          if ('send' in step) await send(engine, step.send);
          else if ('command' in step) await commands.changeIdentity(step.command, NOW);
          else if ('erase' in step) await erase(engine, step.erase);
          else if ('declare' in step) await commands.declareTraits(step.declare, undefined, NOW);
          else if ('fill' in step) await fill(engine);
          else {
            await engine.engine.close();
            engine = await open(context, fileSystem);
          }
          await check(engine);
        }
        await engine.engine.close();
      }),
      { numRuns: Number(process.env['TRAIT_RUNS'] ?? 8), includeErrorInReport: true },
    );
  });

  it('zero has no sign', async (context) => {
    const engine = await open(context, new MemoryFileSystem());
    await engine.tenant.commands.declareTraits(DECLARED, undefined, NOW);
    const zeros = ['-0', '-0.0', '-0e1', '0'].map(
      (zero, user) => `{"type":"identify","userId":"u${user}","traits":{"score":${zero}}}`,
    );
    await send(engine, zeros);
    await check(engine);
    const ratio = engine.tenant.readTraits.filter(({ name }) => name === 'ratio');
    for (const traits of [ratio, ratio.map((trait) => ({ ...trait, slot: 0 }))]) {
      const rows = await read('profiles', traits);
      assert.equal(rows.length, zeros.length);
      assert.ok(rows.every((row) => row.some((value) => Object.is(value, 0))));
    }
  });

  it('what was declared before the first event is kept, and what was declared later once it is filled', async (context) => {
    const engine = await open(context, new MemoryFileSystem());
    const { commands } = engine.tenant;
    await commands.declareTraits(DECLARED.slice(0, 2), undefined, NOW);
    await send(engine, ['{"type":"identify","userId":"u","traits":{"plan":"pro","member":true}}']);
    assert.equal(await check(engine), 2);
    await commands.declareTraits(DECLARED.slice(1, 4), undefined, NOW);
    assert.equal(await check(engine), 2, 'score and its twin');
    await commands.declareTraits(DECLARED, undefined, NOW);
    assert.equal(await check(engine), 2, 'plan has to be read again');
    await send(engine, ['{"type":"identify","userId":"u","traits":{"plan":"free"}}']);
    await fill(engine);
    assert.equal(await check(engine), DECLARED.length);
    await send(engine, ['{"type":"identify","userId":"v","traits":{"PLAN":"late"}}']);
    await check(engine);
  });

  it('a value is read whole while it changes, and space is used again', async (context) => {
    const engine = await open(context, new MemoryFileSystem());
    const { commands, traits } = engine.tenant;
    await commands.declareTraits([DECLARED[0]!], undefined, NOW);
    const people = Array.from({ length: 4 }, (_, index) => {
      return `{"type":"identify","userId":"u${index}","traits":{"plan":"0"}}`;
    });
    await send(engine, people);
    assert.equal(native.openHotDirectory(engine.tenant.hotDirectory), '');
    const slot = traits.slotOf('plan');
    // Distinct characters of each value; NULL where there is none.
    const reading = rowsOf(
      duckdb,
      `SELECT DISTINCT len(list_distinct(string_split(trait_string(profile, ${slot}::UINTEGER), '')))
       FROM hot_profiles(), range(20000)`,
    );
    let isRead = false;
    void reading.finally(() => {
      isRead = true;
    });
    let sequence = 100;
    const bytes = traits.memoryBytes;
    for (; !isRead && sequence < 5_000_000; sequence += 1) {
      const value = `"${String(sequence % 10).repeat(1 + ((sequence * 7) % 100))}"`;
      traits.put({ anchor: 1 + (sequence % 4), key: 'plan', micros: NOW, sequence, value });
      if (sequence % 2000 === 0) await new Promise(setImmediate);
    }
    assert.deepEqual(
      (await reading).map(([count]) => Number(count)),
      [1],
    );
    assert.ok(sequence > 1000, `${sequence} changes meanwhile`);
    assert.equal(traits.memoryBytes, bytes);
  });

  it('nothing of an erased person is in the arrays, nor what they said before', async (context) => {
    const engine = await open(context, new MemoryFileSystem());
    await engine.tenant.commands.declareTraits(DECLARED, undefined, NOW);
    const said = (userId: string, plan: string): string =>
      JSON.stringify({ type: 'identify', userId, traits: { plan } });
    await send(engine, [said('ann', 'a secret of long ago'), said('ben', 'another matter of ben')]);
    await send(engine, [
      said('ann', 'a secret that is a good deal longer than that'),
      said('ann', 'mine'),
    ]);
    await erase(engine, 'ann');
    await check(engine);
    const { hotDirectory } = engine.tenant;
    const files = readdirSync(hotDirectory).filter((name) => name.startsWith('trait_'));
    assert.equal(files.length, 3);
    const [cells, texts] = ['trait_cells', 'trait_texts'].map((name) =>
      beginningOf(`${hotDirectory}/${name}.array`),
    );
    assert.doesNotMatch(texts!, /secret/);
    assert.match(texts!, /matter of ben/);
    assert.doesNotMatch(cells!, /mine/);
  });
});

/** Of an array, which is sparse and may become large. */
function beginningOf(path: string): string {
  const bytes = Buffer.alloc(100_000);
  const file = openSync(path, 'r');
  readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  return bytes.toString('latin1');
}
