/**
 * `npm run test:sanitize`: the addon under AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 * Copies the sources and the compiled program to a directory of its own, builds the addon there with
 * both sanitizers, and runs the tests of native/ and engine/ and fuzz runs of the decoder with
 * libasan loaded before Node. The first finding ends the run with its stack and exit code 1.
 *
 * - The addon's path does not change: the copy has the layout of a checkout, so nothing in the product
 *   knows about sanitizers. node_modules is shared through a link.
 * - Leaks are not looked for: V8 and Node keep memory to the end on purpose. The soak looks for them.
 * - Alignment is checked too; vptr is not, since the addon is built without RTTI.
 * - Tests that start processes of the appliance are left out: those have an environment of their own and
 *   limited memory, and neither lets a sanitizer in. What such a process runs has tests without one, too.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const SANITIZERS = '-fsanitize=address,undefined -fno-sanitize=vptr';
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const USAGE = `npm run test:sanitize -- [--cases N] [--seed N] [--directory DIR] [TEST…]
  --cases N        of each fuzz run; 100000 unless given
  --seed N         of the fuzz runs; 1 unless given
  --directory DIR  keeps the build there for the next time
  TEST             runs the tests whose path contains it, not those of native/ and engine/
`;
const { values, positionals } = readArguments();

function readArguments() {
  try {
    const read = parseArgs({
      allowPositionals: true,
      options: {
        cases: { type: 'string', default: '100000' },
        seed: { type: 'string', default: '1' },
        directory: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (!read.values.help) return read;
    process.stdout.write(USAGE);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}

/** Files of tests that start processes of the appliance. */
const WITH_PROCESSES = [
  'engine/checkpointer.test.js',
  'engine/compaction.test.js',
  'engine/file-rows.test.js',
  'engine/identity-tables.test.js',
  'ingest/import-files.test.js',
];

/** Runs a program in `copy` and ends this one when it fails. */
function run(copy, program, args, environment) {
  const { status, signal, error } = spawnSync(program, args, {
    cwd: copy,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  if (status === 0) return;
  throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? signal ?? `exit ${status}`}`);
}

function layOut(copy) {
  mkdirSync(copy, { recursive: true });
  for (const part of ['dist', 'native/src'])
    rmSync(join(copy, part), { recursive: true, force: true });
  for (const part of [
    'dist',
    'native/src',
    'native/binding.gyp',
    'native/build.mjs',
    'package.json',
  ]) {
    cpSync(join(root, part), join(copy, part), { recursive: true, preserveTimestamps: true });
  }
  const modules = join(copy, 'node_modules');
  if (!existsSync(modules)) symlinkSync(join(root, 'node_modules'), modules);
}

/** A build whose flags were lost somewhere would find nothing and pass. */
function requireInstrumented(copy) {
  const addon = readFileSync(join(copy, 'native/build/Release/tributary.node'));
  for (const symbol of ['__asan_report_load8', '__ubsan_handle_pointer_overflow']) {
    if (!addon.includes(symbol)) throw new Error(`the addon was built without ${symbol}`);
  }
}

function libraryOf(name) {
  const { stdout } = spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' });
  return resolve(stdout.trim());
}

function main(copy) {
  layOut(copy);
  const isBuilt = existsSync(join(copy, 'native/build/Makefile'));
  run(copy, process.execPath, ['native/build.mjs', isBuilt ? 'build' : 'rebuild'], {
    CXXFLAGS: `${SANITIZERS} -O1 -fno-omit-frame-pointer`,
    LDFLAGS: SANITIZERS,
  });
  requireInstrumented(copy);
  const sanitized = {
    LD_PRELOAD: libraryOf('libasan.so'),
    ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    TRIBUTARY_FUZZ_CASES: '5000', // of each property test of native/
    TRIBUTARY_TEST_TIMEOUT_MS: '1200000',
  };
  const tests = positionals.length > 0 ? positionals : testsWithin(copy, ['native', 'engine']);
  const { cases, seed } = values;
  run(copy, process.execPath, ['dist/tests/run.js', ...tests.map(relativeToTests)], sanitized);
  // A damaged file takes ten times as long to make as a payload.
  for (const [codec, share] of [
    ['json', 1],
    ['msgpack', 1],
    ['arrow', 0.1],
  ]) {
    const count = String(Math.ceil(Number(cases) * share));
    const flags = ['--codec', codec, '--cases', count, '--seed', seed];
    run(copy, process.execPath, ['dist/tests/fuzz/run.js', ...flags], sanitized);
  }
}

function testsWithin(copy, folders) {
  const files = folders.flatMap((folder) =>
    readdirSync(join(copy, 'dist/tests', folder)).map((name) => `${folder}/${name}`),
  );
  return files.filter((file) => file.endsWith('.test.js') && !WITH_PROCESSES.includes(file));
}

/** tests/run.ts matches paths below its own folder. */
function relativeToTests(path) {
  return path.replace(/^tests\//, '');
}

const kept = values.directory === undefined ? undefined : resolve(values.directory);
const copy = kept ?? mkdtempSync(join(tmpdir(), 'tributary-sanitize-'));
try {
  main(copy);
  console.log('no finding of AddressSanitizer or UndefinedBehaviorSanitizer');
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  if (kept === undefined) rmSync(copy, { recursive: true, force: true });
}
