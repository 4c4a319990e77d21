/** The native look-up of a message id against a plain account of what was sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { findMessage } from '../../engine/message-search.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { TestEngine } from '../support/engine-fixture.ts';

/** Nobody was erased. */
const nobody = (): boolean => false;

test('every row of an id is found in every segment, hidden or not', async (context) => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  context.diagnostic(`SEED=${seed}`);
  const random = seededRandom(seed);
  const engine = await TestEngine.open(context, new MemoryFileSystem());
  const { events: table } = engine.tenant.hot;
  const ids = ['a', 'b', 'é', 'ab', 'ba', 'x'.repeat(100)];
  const expected = new Map<string, [sequence: number, isHidden: boolean][]>(
    ids.map((id) => [id, []]),
  );
  const accepted = new Set<string>();
  while (table.segments.length < 3) {
    const events = Array.from({ length: 10_000 }, () => {
      const messageId = random() < 0.001 ? ids[Math.floor(random() * ids.length)]! : undefined;
      return { type: random() < 0.5 ? 'page' : 'none', userId: 'ada', messageId };
    });
    const { lastSequence } = await engine.send(events);
    for (const [index, { type, messageId }] of events.entries()) {
      if (messageId === undefined) continue;
      const isRejected = type === 'none';
      const isHidden = isRejected || accepted.has(messageId);
      expected.get(messageId)!.push([lastSequence - events.length + 1 + index, isHidden]);
      if (!isRejected) accepted.add(messageId);
    }
  }
  for (const [id, rows] of [...expected, ['', []], ['c', []]] as const) {
    const found = await findMessage(table, id, nobody);
    assert.deepEqual(
      found.map(({ sequence, isHidden }) => [sequence, isHidden]),
      rows,
      id,
    );
    assert.ok(found.every(({ source }) => source === 'web'));
  }
  const [first] = expected.get('a')!;
  const startMs = performance.now();
  await findMessage(table, `seq-${first?.[0]}`, nobody);
  context.diagnostic(`${table.stagedRows} rows in ${(performance.now() - startMs).toFixed(2)} ms`);
});
