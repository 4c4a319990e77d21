import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERRORS, fillTemplate, TributaryError } from '../../base/errors.ts';
import { errorsDocument } from '../support/errors-document.ts';

test('every code is named by area and problem, and has a status, a SQLSTATE and a message', () => {
  for (const [code, entry] of Object.entries(ERRORS)) {
    assert.match(
      code,
      /^TRIBUTARY_(BASE|CONFIG|ACCESS|STORAGE|LAKE|IDENTITY|ERASURE|ENGINE|INGEST|QUERY)_[A-Z0-9_]+$/,
    );
    assert.ok(entry.status >= 400 && entry.status <= 599, `${code} has an HTTP error status`);
    assert.match(entry.sqlstate, /^[0-9A-Z]{5}$/);
    assert.match(entry.message, /\.$/);
  }
});

test('docs/errors.md is the table, word for word', () => {
  assert.equal(
    readFileSync('docs/errors.md', 'utf8'),
    errorsDocument(),
    'run `npm run docs` to write it anew',
  );
});

test('a template is filled by name, and unknown names are left alone', () => {
  assert.equal(fillTemplate('{a} of {b}', { a: 1 }), '1 of {b}');
  assert.equal(fillTemplate('{toString}', {}), '{toString}');
  assert.equal(fillTemplate('No: {reason}.', { reason: 'cut off, etc.' }), 'No: cut off, etc.');
});

test('what a client sees of an error has no stack and no cause', () => {
  const error = new TributaryError(
    'TRIBUTARY_ENGINE_QUEUE_FULL',
    { queuedBytes: 2, limitBytes: 1 },
    new Error('inner'),
  );
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    code: 'TRIBUTARY_ENGINE_QUEUE_FULL',
    message: 'The write queue holds 2 bytes, limit 1 bytes.',
    retryable: true,
    help: 'Wait for the seconds in Retry-After and send the batch again.',
  });
});
