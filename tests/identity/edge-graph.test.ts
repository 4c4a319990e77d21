import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { EdgeGraph } from '../../identity/edge-graph.ts';
import type { StateSource } from '../../storage/state-part.ts';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';

const SEED = 11;
const ANCHORS = 4000;
const EDGES = 9000;

function openGraph(context: TestContext): EdgeGraph {
  const graph = new EdgeGraph({ directory: temporaryHotDirectory(context), anchorsMax: ANCHORS });
  context.after(() => graph.close());
  graph.prepare(ANCHORS + 1, EDGES);
  return graph;
}

/** What a graph keeps, as a checkpoint gives it back. */
function sourceOf(graph: EdgeGraph): StateSource {
  const parts = new Map(graph.state(ANCHORS).map((part) => [part.name, part]));
  return {
    has: (name) => parts.has(name),
    bytesOf: (name) => parts.get(name)!.bytes,
    async copy(name, write) {
      const piece = new Uint8Array(parts.get(name)!.bytes);
      parts.get(name)!.read(0, piece);
      write(0, piece);
    },
  };
}

test('the edge of each of thousands of merges is found, after retractions and a restore too', async (context) => {
  const graph = openGraph(context);
  const random = seededRandom(SEED);
  const merged: number[] = [];
  while (graph.count < EDGES) {
    const a = 1 + Math.floor(random() * ANCHORS);
    const b = 1 + Math.floor(random() * ANCHORS);
    if (a === b || graph.between(a, b) !== 0) continue;
    const state = random() < 0.1 ? 'demoted' : 'active';
    const edge = graph.add(a, b, 0, state, random() < 0.5);
    if (state === 'demoted' || random() < 0.4) continue;
    assert.equal(graph.markMerge(edge), merged.push(edge), `seed ${SEED}`);
    const fate = random();
    if (fate < 0.2) graph.retract(edge);
    else if (fate < 0.4) graph.demote(edge);
  }
  const restored = openGraph(context);
  await restored.restore(sourceOf(graph));
  for (const [index, edge] of merged.entries()) {
    assert.equal(graph.edgeOfMerge(index + 1), edge, `seed ${SEED}`);
    assert.equal(restored.edgeOfMerge(index + 1), edge, `seed ${SEED}`);
  }
  assert.equal(restored.markMerge(restored.add(1, 2, 0, 'active', false)), merged.length + 1);
  for (const never of [0, -1, merged.length + 1]) assert.equal(graph.edgeOfMerge(never), 0);
});

test('a retracted edge is listed no more, and a demoted one joins nothing', (context) => {
  const graph = openGraph(context);
  const [first, second] = [graph.add(1, 2, 0, 'active', true), graph.add(2, 3, 0, 'active', true)];
  for (const edge of [first, second]) graph.markMerge(edge);
  graph.retract(first);
  graph.demote(second);
  assert.deepEqual([graph.isListed(first), graph.isActive(first)], [false, false]);
  assert.deepEqual([graph.isListed(second), graph.isActive(second)], [true, false]);
  assert.deepEqual([graph.joins(first), graph.joins(second)], [false, false]);
  assert.deepEqual([graph.between(1, 2), graph.between(2, 3)], [0, second]);
  assert.deepEqual(graph.ends(first), [1, 2]);
});
