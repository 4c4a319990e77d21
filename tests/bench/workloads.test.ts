/** Every workload runs at a small size and prints lines that a program can read. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MAIN = fileURLToPath(new URL('../../bench/main.js', import.meta.url));
const WORKLOADS = [
  'ingest-inprocess',
  'ingest-scale',
  'ingest-ws',
  'ingest-http',
  'ack-latency',
  'decode-formats',
  'hot-groupby',
  'cold-groupby',
  'profiles',
  'recovery',
  'identity-resolve',
  'identity-components',
  'identity-scale',
];
const OWN_KEYS = ['workload', 'metric', 'value', 'unit', 'higherIsBetter'];
const PEER_KEYS = ['peer', 'peerValue', 'ratio'];

const directory = mkdtempSync(join(tmpdir(), 'tributary-bench-'));
after(() => rmSync(directory, { recursive: true }));

function bench(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [MAIN, '--directory', directory, ...args]);
}

const SMALL = [
  '--events',
  '2000',
  '--identifiers',
  '2000',
  '--rounds',
  '1',
  '--seconds',
  '0',
  '--no-peers',
  '--json',
];

for (const workload of WORKLOADS) {
  test(`${workload} prints one well-formed line a figure and leaves nothing behind`, async () => {
    const { stdout } = await bench(workload, ...SMALL);
    const lines = stdout.trimEnd().split('\n');
    assert.ok(lines.length > 0);
    for (const line of lines) {
      const figure = JSON.parse(line) as Record<string, unknown>;
      const keys = 'peer' in figure ? [...OWN_KEYS, ...PEER_KEYS] : OWN_KEYS;
      assert.deepEqual(Object.keys(figure), keys);
      assert.equal(figure['workload'], workload);
      assert.ok(Number.isFinite(figure['value']), line);
    }
    assert.deepEqual(readdirSync(directory), []);
  });
}

test('without a name the workloads are listed', async () => {
  const { stdout } = await bench();
  for (const workload of WORKLOADS) assert.match(stdout, new RegExp(`^ {2}${workload} `, 'm'));
});

test('an unknown workload is an error', async () => {
  await assert.rejects(bench('ingest-telepathy'), { code: 2 });
});

test('a flag that is no number is an error', async () => {
  await assert.rejects(bench('recovery', '--events', 'many'), { code: 1 });
});
