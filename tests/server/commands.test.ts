import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { type CommandRun, runCommand } from '../support/run-command.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

function run(args: readonly string[], key = '', input = ''): Promise<CommandRun> {
  const environment = { TRIBUTARY_URL: appliance.url, ...(key !== '' && { TRIBUTARY_KEY: key }) };
  return runCommand(args, { environment, input });
}

const line = (index: number): string =>
  JSON.stringify({ type: 'track', event: 'Sent', userId: 'u1', messageId: `send-${index}` });

test('send takes a file in batches, and a second time counts duplicates', async () => {
  const path = join(appliance.directory, 'events.ndjson');
  const lines = Array.from({ length: 1234 }, (_, index) => line(index));
  writeFileSync(path, `${lines.join('\n')}\n\n`);
  const first = await run(['send', path, '--batch-events', '100'], WRITE_KEY);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /: 1234 accepted, 0 duplicates, 0 rejected$/m);
  const second = await run(['send', path], WRITE_KEY);
  assert.match(second.stdout, /: 0 accepted, 1234 duplicates, 0 rejected$/m);
});

test('send names the line that is no JSON, a file that is not there, and a key that is missing', async () => {
  const input = `${line(7000)}\n\n${line(7001)},\nbroken\n`;
  const broken = await run(['send', '-'], WRITE_KEY, input);
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /^line 3 is not JSON$/m);
  const halves = await run(['send', '-'], WRITE_KEY, `${line(7002)}\n{"list":[{}\n{}]}\n`);
  assert.equal(halves.code, 1);
  assert.match(halves.stderr, /^line 2 is not JSON$/m);
  for (const path of ['/nowhere/events.ndjson', appliance.directory]) {
    const missing = await run(['send', path], WRITE_KEY);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /^TRIBUTARY_CONFIG_FILE_UNREADABLE: [^\n]*\n$/);
  }
  const keyless = await run(['send', '-']);
  assert.match(keyless.stderr, /^TRIBUTARY_CONFIG_KEY_MISSING: No write key.*\n.*TRIBUTARY_KEY/);
});

test('a command that finds no appliance says where it looked, and how to say another place', async () => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  for (const args of [
    ['sql', 'SELECT 1'],
    ['lake', 'files'],
    ['identity', 'rules', 'get'],
  ]) {
    const { code, stderr } = await run([...args, '--url', `http://127.0.0.1:${port}`], ADMIN_KEY);
    assert.equal(code, 1);
    const said =
      /^TRIBUTARY_CONFIG_UNREACHABLE: .*http:\/\/127\.0\.0\.1:\d+ .*ECONNREFUSED\.\n.*--url[^\n]*\n$/;
    assert.match(stderr, said);
  }
});

test('sql ends a statement after the time it is given', async () => {
  const long = 'SELECT sum(hash(i)) FROM range(100000000000) t(i)';
  const ended = await run(['sql', long, '--timeout-ms', '200'], ADMIN_KEY);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /^TRIBUTARY_QUERY_TIMEOUT: .* limit 200 ms/);
  const wrong = await run(['sql', 'SELECT 1', '--timeout-ms', 'soon'], ADMIN_KEY);
  assert.match(wrong.stderr, /TRIBUTARY_CONFIG_INVALID_VALUE.*a whole number from 1 to 3600000/);
});

test('send reads standard input, and tells of rejected events', async () => {
  const input = `${line(9999)}\n{"type":"track","userId":"u1"}`;
  const { code, stdout, stderr } = await run(['send', '-'], WRITE_KEY, input);
  assert.equal(code, 1);
  assert.match(stdout, /: 1 accepted, 0 duplicates, 1 rejected$/m);
  assert.match(stderr, /^rejected: TRIBUTARY_INGEST_\w+ at event$/m);
});

test('send with an unknown key fails with what the appliance says', async () => {
  const { code, stderr } = await run(['send', '-'], 'unknown-key', line(1));
  assert.equal(code, 1);
  assert.match(stderr, /TRIBUTARY_ACCESS_KEY_UNKNOWN/);
});

test('sql prints a table, JSON or NDJSON', async () => {
  const statement = 'SELECT $1 AS one, $2 AS two, NULL AS nothing';
  const args = ['sql', statement, '-p', '41', '-p', 'x'];
  const table = await run(args, ADMIN_KEY);
  assert.equal(table.code, 0, table.stderr);
  assert.match(table.stdout, /^one {2}two {2}nothing\n---/);
  assert.match(table.stdout, /^ ?41 +x\s*$/m);
  const rows = await run([...args, '--format', 'ndjson'], ADMIN_KEY);
  assert.deepEqual(JSON.parse(rows.stdout), { one: 41, two: 'x', nothing: null });
});

// Symptom: a statement that ran out of time in the middle of its result was printed as a table, with the exit code 0.
test('sql fails when a result ends early, in each of its formats', async () => {
  const late = `CASE WHEN i = 900000 THEN error('late')::INTEGER ELSE i END`;
  const statement = `SELECT ${late} FROM range(1000000) numbers(i)`;
  for (const format of ['table', 'json', 'ndjson']) {
    const { code, stdout, stderr } = await run(['sql', statement, '--format', format], ADMIN_KEY);
    assert.equal(code, 1, format);
    assert.match(stderr, /TRIBUTARY_QUERY_/);
    assert.equal(stdout === '', format === 'table', 'of a table nothing is shown');
  }
});

test('sql reads a statement from standard input, and fails with its error', async () => {
  const { stdout } = await run(['sql', '-'], ADMIN_KEY, 'SELECT 7 AS seven');
  assert.match(stdout, /\b7\b/);
  const wrong = await run(['sql', 'SELEC'], ADMIN_KEY);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /TRIBUTARY_QUERY_/);
});

test('lake token makes a token, lists it by its id, and ends it', async () => {
  const created = await run(['lake', 'token', 'create', 'trino'], ADMIN_KEY);
  assert.equal(created.code, 0, created.stderr);
  const [, id] = /^tributary_lake_([0-9a-z]{8})_\w+\n$/.exec(created.stdout) ?? [];
  assert.ok(id !== undefined, created.stdout);
  const listed = await run(['lake', 'token', 'list'], ADMIN_KEY);
  assert.match(listed.stdout, new RegExp(`^${id} +trino +\\d{4}-`, 'm'));
  assert.equal((await run(['lake', 'token', 'revoke', id], ADMIN_KEY)).stdout, `revoked ${id}\n`);
  const again = await run(['lake', 'token', 'revoke', id], ADMIN_KEY);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /TRIBUTARY_ACCESS_LAKE_TOKEN_UNKNOWN/);
  assert.equal((await run(['lake', 'token', 'create'], ADMIN_KEY)).code, 2);
});

test('wrong use is told from failure', async () => {
  assert.equal((await run(['nothing'])).code, 2);
  assert.equal((await run(['send'], WRITE_KEY)).code, 2);
  assert.equal((await run(['send', '--help'])).code, 0);
  const flag = await run(['serve', '--lisen', '1']);
  assert.equal(flag.code, 1);
  assert.match(flag.stderr, /did you mean --listen\?/);
});
