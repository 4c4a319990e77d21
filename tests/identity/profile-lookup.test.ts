/** Requests answered from their bytes say what one look-up after the other says. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../base/limits.ts';
import type { IdentityGraph } from '../../identity/identity-graph.ts';
import { parseIdentifiers } from '../../ingest/resolve-request.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { TestEngine } from '../support/engine-fixture.ts';

async function openPopulated(context: TestContext): Promise<IdentityGraph> {
  const engine = await TestEngine.open(context, new MemoryFileSystem());
  await engine.send([
    { type: 'identify', userId: 'ada', anonymousId: 'x', traits: { email: 'Ada@Example.com' } },
    { type: 'page', userId: 'bob', anonymousId: 'kiosk' },
    { type: 'page', anonymousId: 'grün' },
    { type: 'identify', userId: 'eve', traits: { email: 'null' } },
    { type: 'track', event: 'Logged Out', userId: 'bob', anonymousId: 'kiosk' },
  ]);
  return engine.tenant.identity;
}

/** The slow twin. */
function resolveEach(identity: IdentityGraph, given: unknown): (string | null)[] {
  const identifiers = parseIdentifiers(given);
  if (typeof identifiers === 'string') assert.fail(identifiers);
  return identifiers.map(({ type, value }) => identity.resolveProfileId(type, value));
}

function resolveBytes(identity: IdentityGraph, text: string): unknown {
  const resolved = identity.resolveRequest(Buffer.from(text));
  if (resolved === undefined) return undefined;
  const profiles: unknown = JSON.parse(Buffer.from(resolved.profiles).toString('utf8'));
  return { id: resolved.id, profiles };
}

test('random requests, over one to forty identifiers of all kinds', async (context) => {
  const identity = await openPopulated(context);
  const type = fc.constantFrom('user_id', 'anonymous_id', 'email', 'phone');
  const value = fc.oneof(
    fc.constantFrom('ada', 'bob', 'x', 'kiosk', 'grün', ' ADA@example.com ', 'null', ''),
    fc.string({ unit: 'grapheme' }),
  );
  const list = fc.array(fc.record({ type, value }), { maxLength: 40 });
  const group = fc.record({ type, values: fc.array(value, { maxLength: 40 }) });
  let known = 0;
  fc.assert(
    fc.property(fc.oneof(list, group), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (given, id) => {
      const profiles = resolveEach(identity, given);
      known += profiles.filter((profile) => profile !== null).length;
      assert.deepEqual(resolveBytes(identity, JSON.stringify(given)), { id: 0, profiles });
      const framed = JSON.stringify({ resolve: given, id });
      assert.deepEqual(resolveBytes(identity, framed), { id, profiles });
    }),
  );
  assert.ok(known > 0);
});

test('a blocked value and a device whose owner logged out are nobody', async (context) => {
  const identity = await openPopulated(context);
  const asked = [
    { type: 'email', value: 'null' },
    { type: 'anonymous_id', value: 'kiosk' },
  ];
  const answer = { id: 0, profiles: [null, null] };
  assert.deepEqual(resolveBytes(identity, JSON.stringify(asked)), answer);
});

test('what is not plain is left to the slow way', async (context) => {
  const identity = await openPopulated(context);
  const ada = { type: 'user_id', value: 'ada' };
  for (const given of [
    [{ ...ada, more: 1 }],
    [{ type: 'shoe_size', value: '38' }],
    [{ type: 'user_id' }],
    [{ type: 'user_id', value: 38 }],
    { resolve: [ada] },
    { resolve: [ada], id: -1 },
    { resolve: [ada], id: 2 ** 32 },
    { resolve: [ada], id: 1, more: 2 },
    'ada',
  ]) {
    assert.equal(resolveBytes(identity, JSON.stringify(given)), undefined, JSON.stringify(given));
  }
  for (const text of ['', '[', '[] []', '[{"type":"user_id","value":"\\ud800"}]']) {
    assert.equal(resolveBytes(identity, text), undefined, text);
  }
});

test('as many identifiers as the limit are answered, one more is not', async (context) => {
  const identity = await openPopulated(context);
  const values = Array.from({ length: LIMITS.resolveIdentifiersMax }, () => 'ada');
  const answer = resolveBytes(identity, JSON.stringify({ type: 'user_id', values })) as {
    profiles: unknown[];
  };
  assert.equal(answer.profiles.length, LIMITS.resolveIdentifiersMax);
  assert.equal(new Set(answer.profiles).size, 1);
  const beyond = JSON.stringify({ type: 'user_id', values: [...values, 'ada'] });
  assert.equal(resolveBytes(identity, beyond), undefined);
});
