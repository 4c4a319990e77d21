import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  canonical,
  graphComponents,
  plainComponents,
  randomEdges,
  writeCsv,
} from '../../bench/identity-components.ts';
import { isKuzuInstalled, kuzuComponents } from '../../bench/kuzu.ts';
import { PairReader } from '../../bench/pair-reader.ts';
import { temporaryDirectory, temporaryHotDirectory } from '../support/hot-fixture.ts';

const SEED = 7;
const drawn = randomEdges(5000, SEED);
const expected = plainComponents(drawn);

function csv(context: TestContext): [string, string] {
  return writeCsv(temporaryDirectory(context), drawn);
}

test('our graph with rules off has the components of a plain union-find', (context) => {
  const edgesPath = csv(context)[1];
  const reader = new PairReader(drawn.pairs.length / 2);
  context.after(() => reader.close());
  for (let round = 0; round < 2; round += 1) {
    const hot = temporaryHotDirectory(context);
    const found = graphComponents(hot, drawn.nodes, edgesPath, reader);
    assert.deepEqual(canonical(found.components), expected, `round ${round}`);
  }
});

test('a file of edges that is not there is an error, not a wait', (context) => {
  const reader = new PairReader(1);
  context.after(() => reader.close());
  reader.read(join(temporaryDirectory(context), 'missing.csv'));
  assert.throws(() => reader.linesBeyond(0), /cannot be read/);
});

const skip = !isKuzuInstalled() && 'Kùzu is not installed in bench/peers';
test('Kùzu finds the same components', { skip }, async (context) => {
  const found = await kuzuComponents(temporaryDirectory(context), ...csv(context));
  assert.deepEqual(canonical(found.components), expected);
});
