/**
 * `npm test`: every *.test.js below dist/tests, in node's test runner, two files at a time.
 * Arguments narrow it to files whose path contains one of them: `npm test -- storage/wal`.
 * `TRIBUTARY_TEST_TIMEOUT_MS` is how long one file may take, where the addon is a slow build.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(here, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .map((file) => relative(process.cwd(), join(here, file)))
  .sort();

if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' or ')}`);
  process.exit(1);
}
const timeoutMs = process.env['TRIBUTARY_TEST_TIMEOUT_MS'] ?? '120000';
const flags = ['--test', '--test-concurrency=2', `--test-timeout=${timeoutMs}`];
const run = spawnSync(process.execPath, [...flags, '--enable-source-maps', ...files], {
  stdio: 'inherit',
});
process.exit(run.status ?? 1);
