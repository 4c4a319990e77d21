import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { QueryLog } from '../../query/query-log.ts';
import type { QueryStatistics } from '../../query/result-formats.ts';
import { FakeClock } from '../ingest/fake-clock.ts';

const STATISTICS: QueryStatistics = {
  elapsedMs: 3,
  rows: 1,
  bytes: 10,
  rowsScanned: 0,
  segmentsScanned: 0,
  segmentsSkipped: 0,
  filesRead: 2,
  filesSkipped: 5,
  rowGroupsRead: 2,
  rowGroupsSkipped: 5,
  bytesRead: 20,
  bytesSkipped: 50,
  bytesFetched: 12,
};

test('a statement is in the log from its beginning, and how it ended', () => {
  const log = new QueryLog(new FakeClock());
  const first = log.begin('a', 'SELECT 1', 'key');
  const second = log.begin('b', 'SELECT 2', null);
  assert.deepEqual(
    log.recent.map(({ id, state, keyId }) => [id, state, keyId]),
    [
      ['b', 'running', null],
      ['a', 'running', 'key'],
    ],
  );
  first.finish(STATISTICS);
  second.fail('TRIBUTARY_QUERY_TIMEOUT', null);
  assert.deepEqual(
    log.recent.map(({ state, code, statistics }) => [state, code, statistics?.filesRead]),
    [
      ['failed', 'TRIBUTARY_QUERY_TIMEOUT', undefined],
      ['finished', null, 2],
    ],
  );
});

test('the oldest statement makes room, and a long text is cut', () => {
  const log = new QueryLog(new FakeClock());
  const text = 'x'.repeat(LIMITS.recentQueryCharactersMax + 1);
  const oldest = log.begin('oldest', text, null);
  assert.equal(log.recent[0]!.statement!.length, LIMITS.recentQueryCharactersMax);
  for (let count = 1; count <= LIMITS.recentQueriesMax; count += 1) log.begin(`${count}`, '', null);
  assert.equal(log.recent.length, LIMITS.recentQueriesMax);
  assert.equal(log.recent.at(-1)!.id, '1');
  oldest.finish(STATISTICS); // it has left the log, and may end all the same
});

test('forgotten texts are gone, of statements that run too', () => {
  const log = new QueryLog(new FakeClock());
  log.begin('a', "SELECT 'ann@example.org'", null);
  log.forgetTexts();
  assert.equal(log.recent[0]!.statement, null);
});
