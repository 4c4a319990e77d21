import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from '../../bin/table.ts';

const columns = [{ name: 'key' }, { name: 'value' }];

test('numbers stand to the right, texts to the left, nulls are empty', () => {
  const rows = [
    ['a', 1],
    ['longer', 200],
    [null, null],
  ];
  const expected = [
    'key     value',
    '------  -----',
    'a           1',
    'longer    200',
    '',
    '(3 rows)\n',
  ];
  assert.equal(formatTable({ columns, rows }), expected.join('\n'));
});

test('a text of several lines takes several lines of its column, no wider than the longest', () => {
  const rows = [
    ['plan', 'first\nsecond line\n'],
    ['reads', 'one'],
  ];
  const expected = [
    'key    value',
    '-----  -----------',
    'plan   first',
    '       second line',
    'reads  one',
    '(2 rows)\n',
  ];
  assert.equal(formatTable({ columns, rows }), expected.join('\n'));
});

test('what an event says does not steer the terminal', () => {
  const text = formatTable({ columns, rows: [['\u001b[2J', '\u009b1m\rx\ty']] });
  assert.match(text, /^\\x1b\[2J {2}\\x9b1m\\x0dx {4}y$/m);
});
