/** The second lock: what DuckDB itself refuses in a worker, should a statement ever pass the gate. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { extensionPath } from '../../native/index.ts';
import { openWorkerDatabase } from '../../query/worker-database.ts';
import { PLAIN_SETTINGS } from './sql-fixture.ts';

test('a worker reaches no file, no extension and no setting, even without the gate', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-query-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const temporaryDirectory = join(directory, 'temporary');
  const database = await openWorkerDatabase(
    { ...PLAIN_SETTINGS, temporaryDirectory },
    extensionPath,
  );
  context.after(() => database.close());
  const connection = await database.connect();
  context.after(() => connection.close());
  assert.deepEqual(await connection.rows('SELECT count(*) FROM events'), [[1000n]]);
  for (const sql of [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM 'https://example.com/a.parquet'",
    `SELECT * FROM read_text('${temporaryDirectory}/../x')`,
    `COPY (SELECT 1) TO '${directory}/out.csv'`,
    `EXPORT DATABASE '${directory}/export'`,
    `ATTACH '${directory}/new.duckdb' AS new`,
    'INSTALL httpfs',
    'LOAD httpfs',
    `LOAD '${directory}/x.duckdb_extension'`,
    "SET memory_limit = '100GB'",
    'SET threads = 64',
    'SET enable_external_access = true',
    'RESET lock_configuration',
    "SET allowed_directories = ['/']",
    "SET TimeZone = 'Asia/Tokyo'",
    "PRAGMA profiling_output = 'x.json'",
    "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'b')",
    "SELECT getenv('HOME')",
  ]) {
    await assert.rejects(connection.rows(sql), Error, sql);
  }
  assert.deepEqual(readdirSync(directory), []);
});
