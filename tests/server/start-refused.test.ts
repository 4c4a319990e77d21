import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type CommandRun, runCommand } from '../support/run-command.ts';

const RUN_MS_MAX = 20_000;

let scratch: string;
before(() => {
  scratch = mkdtempSync(join(tmpdir(), 'tributary-test-'));
  writeFileSync(join(scratch, 'file'), '');
  mkdirSync(join(scratch, 'empty'));
  symlinkSync(join(scratch, 'absent'), join(scratch, 'dangling'));
});
after(() => rmSync(scratch, { recursive: true, force: true }));

function run(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<CommandRun> {
  const env = { PATH: process.env['PATH'], ...environment };
  return runCommand(args, { environment: env, milliseconds: RUN_MS_MAX });
}

const serve = (...flags: string[]): Promise<CommandRun> =>
  run(['serve', '--listen', '127.0.0.1:0', ...flags]);

/** @param reason the start of what the kernel said. */
function assertUnusable(
  { code, stderr }: CommandRun,
  option: string,
  path: string,
  reason: RegExp,
): void {
  assert.equal(code, 1, stderr);
  const [error] = stderr.split('\n');
  const head = `TRIBUTARY_CONFIG_DIRECTORY_UNUSABLE: The directory ${path}, named by ${option}, `;
  assert.equal(error?.slice(0, head.length), head);
  assert.match(error, reason);
}

/** Directories that can be neither made nor written, by whomever, and why. */
const unusable = (): readonly (readonly [path: string, reason: RegExp])[] => [
  // Node's own recursive mkdir tries this one for ever.
  ['/proc/tributary/data', /ENOENT/],
  ['/proc', /ENOENT/],
  [join(scratch, 'file'), /ENOTDIR/],
  [join(scratch, 'file', 'below'), /ENOTDIR/],
  [join(scratch, 'dangling'), /ENOENT/],
];

test('a data directory that cannot be made or written ends the start at once', async () => {
  for (const [path, reason] of unusable()) {
    assertUnusable(await serve('--data-dir', path), 'data_dir', path, reason);
  }
});

test('so does a hot directory, before there are keys that nobody would have seen', async () => {
  for (const [index, [path, reason]] of unusable().slice(0, 3).entries()) {
    const data = join(scratch, `data-${index}`);
    const ended = await serve('--data-dir', data, '--hot-dir', path);
    assertUnusable(ended, 'hot_dir', path, reason);
    assert.ok(!existsSync(join(data, 'control.json')));
  }
});

test('a file in the place of the lake is refused', async () => {
  const data = join(scratch, 'data-lake');
  mkdirSync(data);
  writeFileSync(join(data, 'lake'), '');
  const ended = await serve('--data-dir', data);
  assertUnusable(ended, 'data_dir', join(data, 'lake'), /ENOTDIR/);
});

test('a directory without permission is refused', { skip: process.getuid?.() === 0 }, async () => {
  const path = join(scratch, 'closed');
  mkdirSync(path, { mode: 0o500 });
  assertUnusable(await serve('--data-dir', path), 'data_dir', path, /EACCES/);
});

test('keys of a first start are told even when its port is taken', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const data = join(scratch, 'data-taken');
  const ended = await run(['serve', '--data-dir', data, '--listen', `127.0.0.1:${port}`]);
  server.close();
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /^TRIBUTARY_CONFIG_LISTEN_FAILED/);
  assert.match(
    ended.stdout,
    /^write key {3}tributary_write_\S+\nadmin key {3}tributary_admin_\S+$/m,
  );
});

test('directories of backup, restore and verify are refused likewise', async () => {
  const file = join(scratch, 'file');
  const empty = join(scratch, 'empty');
  const absent = join(scratch, 'absent');
  const data = ['--data-dir', empty];
  const cases = [
    [['backup', '--to', file, ...data], '--to', file, /ENOTDIR/],
    [['backup', '--to', '/proc/tributary', ...data], '--to', '/proc/tributary', /ENOENT/],
    [['backup', '--to', empty, '--data-dir', absent], 'data_dir', absent, /ENOENT/],
    [['backup', 'list', file], 'DIR', file, /ENOTDIR/],
    [['backup', 'verify', absent], 'DIR', absent, /ENOENT/],
    [['restore', '--from', file, '--to', absent], '--from', file, /ENOTDIR/],
    [['verify', '--data-dir', file], 'data_dir', file, /ENOTDIR/],
  ] as const;
  for (const [args, option, path, reason] of cases) {
    assertUnusable(await run(args), option, path, reason);
  }
});

test('one text as write key and as admin key is refused', async () => {
  const ended = await run(['serve', '--data-dir', join(scratch, 'alike')], {
    TRIBUTARY_BOOTSTRAP_WRITE_KEY: 'one-text-for-both',
    TRIBUTARY_BOOTSTRAP_ADMIN_KEY: 'one-text-for-both',
  });
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /^TRIBUTARY_CONFIG_KEYS_ALIKE: .*the same text/);
  assert.ok(!ended.stderr.includes('one-text-for-both'));
  assert.ok(!existsSync(join(scratch, 'alike')));
});
