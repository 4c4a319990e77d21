import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { nearestName } from '../../base/nearest-name.ts';
import { GIB, MIB } from '../../base/units.ts';
import { type ConfigurationSources, loadConfiguration } from '../../bin/config.ts';
import { formatValue, OPTIONS, type OptionName, OTHER_VARIABLES } from '../../bin/options.ts';

function load(sources: Partial<ConfigurationSources>) {
  return loadConfiguration({ environment: {}, flags: {}, ...sources });
}

function messageOf(sources: Partial<ConfigurationSources>): string {
  try {
    load(sources);
  } catch (error) {
    assert.ok(error instanceof TributaryError);
    return error.message;
  }
  return assert.fail('nothing was thrown');
}

const file = (text: string) => ({ file: { path: 'tributary.toml', text } });

test('with nothing set, every option has its default', () => {
  const { values, origins } = load({});
  assert.equal(values.data_dir, './data');
  assert.deepEqual(values.listen, { host: '127.0.0.1', port: 8080 });
  assert.ok(Object.values(origins).every((origin) => origin === 'default'));
});

test('a default written out is read back as itself', () => {
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const { fallback, type } = OPTIONS[name];
    assert.deepEqual(type.parse(formatValue(fallback)), fallback, name);
  }
});

test('flags win over the environment, the environment over the file', () => {
  const text = 'data_dir = "a"\nlisten = "0.0.0.0:1"\nhot_bytes_max = "1GiB"\nquery_workers = 3\n';
  const { values, origins } = load({
    ...file(text),
    environment: { TRIBUTARY_LISTEN: '[::1]:2', TRIBUTARY_HOT_BYTES_MAX: '512 MiB', HOME: '/' },
    flags: { 'hot-bytes-max': '2GiB' },
  });
  assert.equal(values.data_dir, 'a');
  assert.deepEqual(values.listen, { host: '::1', port: 2 });
  assert.equal(values.hot_bytes_max, 2 * GIB);
  assert.equal(values.query_workers, 3);
  assert.equal(origins.data_dir, 'tributary.toml');
  assert.equal(origins.listen, 'the environment');
  assert.equal(origins.hot_bytes_max, 'the command line');
});

test('an unknown name is an error with the nearest name, wherever it is written', () => {
  const expected = 'which is not an option (did you mean';
  assert.equal(
    messageOf(file('hot_byte_max = 1')),
    `tributary.toml sets hot_byte_max, ${expected} hot_bytes_max?).`,
  );
  assert.equal(
    messageOf({ environment: { TRIBUTARY_DATADIR: 'x' } }),
    `the environment sets TRIBUTARY_DATADIR, ${expected} TRIBUTARY_DATA_DIR?).`,
  );
  assert.equal(
    messageOf({ flags: { lisen: 'x' } }),
    `the command line sets --lisen, ${expected} --listen?).`,
  );
});

test('a value that does not fit is named with where it stands and what was expected', () => {
  for (const [sources, part] of [
    [{ flags: { listen: '8080' } }, 'expected host:port'],
    [{ flags: { listen: '127.0.0.1:65536' } }, 'expected host:port'],
    [{ flags: { listen: true } }, 'sets --listen to nothing'],
    [file('hot_bytes_max = true'), 'tributary.toml sets hot_bytes_max to true'],
    [file('hot_bytes_max = "1 parsec"'), 'to "1 parsec"; expected a size'],
    [{ environment: { TRIBUTARY_HOT_BYTES_MAX: '63MiB' } }, `at least ${128 * MIB} bytes`],
    [{ environment: { TRIBUTARY_QUERY_WORKERS: '0' } }, 'a whole number from 1 to 64'],
    [{ environment: { TRIBUTARY_LOG_LEVEL: 'loud' } }, 'expected debug, info, warn, error'],
  ] as const) {
    assert.ok(messageOf(sources).includes(part), `${messageOf(sources)} / ${part}`);
  }
});

test('a file that is not TOML is named', () => {
  assert.match(messageOf(file('listen = ')), /tributary\.toml cannot be read/);
});

test('variables of other commands are not options and not errors', () => {
  load({ environment: { TRIBUTARY_URL: 'http://x', TRIBUTARY_BOOTSTRAP_WRITE_KEY: '12345678' } });
});

test('a bucket has a name that S3 takes and that is no path of ours', () => {
  const load = (bucket: string) =>
    loadConfiguration({ environment: {}, flags: { 'lake-bucket': bucket } }).values.lake_bucket;
  assert.equal(load('my-lake-1'), 'my-lake-1');
  for (const name of ['ab', 'My-Lake', 'a_b', '-lake', 'lake-', 'iceberg', 'metrics', 'a/b', '']) {
    assert.throws(() => load(name), /lake-bucket/, name);
  }
});

test('a name is near when few letters differ', () => {
  assert.equal(nearestName('lsten', ['listen', 'log_level']), 'listen');
  assert.equal(nearestName('weather', ['listen', 'log_level']), undefined);
});

test('the documentation lists every option and variable with its help', () => {
  const lines = readFileSync(findDocumentation(), 'utf8').split('\n');
  for (const [name, help] of [
    ...Object.entries(OPTIONS).map(([option, { help: text }]) => [option, text]),
    ...Object.entries(OTHER_VARIABLES),
  ]) {
    const line = lines.find((candidate) => candidate.startsWith(`| \`${name}\` |`));
    assert.ok(line?.endsWith(`| ${help} |`), `docs/configuration.md has ${name}: ${help}`);
  }
});

/** This file runs from `dist/tests/bin/`. */
function findDocumentation(): URL {
  return new URL('../../../docs/configuration.md', import.meta.url);
}
