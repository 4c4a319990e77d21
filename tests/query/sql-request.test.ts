import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { readSqlRequest } from '../../query/sql-request.ts';

function codeOf(body: unknown): string {
  const request = readSqlRequest(body);
  return request instanceof TributaryError ? request.code : 'ok';
}

test('a request needs only its SQL', () => {
  assert.deepEqual(readSqlRequest({ sql: 'select 1' }), {
    sql: 'select 1',
    parameters: [],
    format: 'json',
    timeoutMs: null,
  });
});

test('each wrong field is refused by name', () => {
  const invalid = 'TRIBUTARY_QUERY_REQUEST_INVALID';
  for (const body of [
    null,
    [],
    'select 1',
    {},
    { sql: '' },
    { sql: 1 },
    { sql: 'select 1', parameters: [] },
    { sql: 'select 1', format: 'xml' },
    { sql: 'select 1', timeout_ms: 0 },
    { sql: 'select 1', timeout_ms: 1.5 },
    { sql: 'select 1', timeout_ms: '5' },
  ]) {
    assert.equal(codeOf(body), invalid, JSON.stringify(body));
  }
  const parameters = 'TRIBUTARY_QUERY_PARAMETERS_INVALID';
  assert.equal(codeOf({ sql: 'select 1', params: {} }), parameters);
  assert.equal(codeOf({ sql: 'select 1', params: [[1]] }), parameters);
  assert.equal(codeOf({ sql: 'select 1', params: [{}] }), parameters);
});

test('parameters at the limit of count and bytes are taken, one more is not', () => {
  const sql = 'select 1';
  const many = new Array(LIMITS.sqlParametersMax).fill(1);
  assert.equal(codeOf({ sql, params: many }), 'ok');
  assert.equal(codeOf({ sql, params: [...many, 1] }), 'TRIBUTARY_QUERY_PARAMETERS_INVALID');
  const long = 'x'.repeat(LIMITS.sqlParametersBytesMax - '[""]'.length);
  assert.equal(codeOf({ sql, params: [long] }), 'ok');
  assert.equal(codeOf({ sql, params: [`${long}x`] }), 'TRIBUTARY_QUERY_TEXT_TOO_LARGE');
});
