import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  canonical,
  graphComponents,
  plainComponents,
  randomEdges,
  writeCsv,
} from '../../bench/identity-components.ts';
import { isKuzuInstalled, kuzuComponents } from '../../bench/kuzu.ts';
import { temporaryDirectory, temporaryHotDirectory } from '../support/hot-fixture.ts';

const SEED = 7;
const drawn = randomEdges(5000, SEED);
const expected = plainComponents(drawn);

function csv(context: TestContext): [string, string] {
  return writeCsv(temporaryDirectory(context), drawn);
}

test('our graph with rules off has the components of a plain union-find', (context) => {
  const edgesPath = csv(context)[1];
  const found = graphComponents(temporaryHotDirectory(context), drawn.nodes, edgesPath);
  assert.deepEqual(canonical(found.components), expected);
});

const skip = !isKuzuInstalled() && 'Kùzu is not installed in bench/peers';
test('Kùzu finds the same components', { skip }, async (context) => {
  const found = await kuzuComponents(temporaryDirectory(context), ...csv(context));
  assert.deepEqual(canonical(found.components), expected);
});
