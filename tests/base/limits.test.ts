import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { limitsDocument, limitsIn } from '../support/limits-document.ts';

test('every limit is a positive whole number that says what it is for', () => {
  const described = limitsIn(readFileSync('base/limits.ts', 'utf8'));
  assert.deepEqual(
    described.map(({ name }) => name),
    Object.keys(LIMITS),
  );
  for (const { name, comment } of described) {
    assert.ok(comment.length > 10, `${name} has a comment`);
    assert.ok(Number.isSafeInteger(LIMITS[name as keyof typeof LIMITS]), name);
    assert.ok(LIMITS[name as keyof typeof LIMITS] > 0, name);
  }
});

test('docs/limits.md is what the code says, word for word', () => {
  const written = readFileSync('docs/limits.md', 'utf8');
  assert.equal(written, limitsDocument(), 'run `npm run docs` to write it anew');
});
