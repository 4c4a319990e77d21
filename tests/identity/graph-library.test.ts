import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DrawnGraph, drawGraph } from '../../identity/graph-library.ts';

const drawn = (value: string): DrawnGraph => ({
  nodes: [
    { anchor: 1, type: 'user_id', value },
    { anchor: 2, type: 'email', value: 'ada@example.com' },
  ],
  edges: [{ edge: 7, a: 1, b: 2, state: 'active', message_id: null }],
});

test('a value with characters that XML cannot hold is written all the same', () => {
  // GEXF from the library held them as they were, which no parser of XML reads.
  const value = 'a\u0001b\u000b\ufffe<\u{1f600}';
  for (const format of ['gexf', 'graphml'] as const) {
    const text = drawGraph(drawn(value), format);
    assert.match(text, /a\ufffdb\ufffd\ufffd&lt;\u{1f600}/u, format);
    assert.doesNotMatch(text, /[^\t\n\r -\ufffd\u{10000}-\u{10ffff}]/u, format);
  }
  const json = JSON.parse(drawGraph(drawn(value), 'json')) as {
    nodes: { attributes: { value: string } }[];
  };
  assert.equal(json.nodes[0]!.attributes.value, value);
});
