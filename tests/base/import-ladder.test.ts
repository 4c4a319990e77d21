import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

/** DESIGN section 3: a folder may import from itself and from the folders listed. */
const LADDER: Readonly<Record<string, readonly string[]>> = {
  base: [],
  native: ['base'],
  storage: ['native', 'base'],
  identity: ['storage', 'native', 'base'],
  engine: ['identity', 'storage', 'native', 'base'],
  ingest: ['engine', 'base'],
  query: ['engine', 'storage', 'native', 'base'],
};

/** Each external package is imported by one module. */
const PACKAGE_HOMES: Readonly<Record<string, string>> = {
  '@duckdb/node-api': 'query/duckdb.ts',
  'apache-arrow': 'storage/arrow.ts',
  'json-with-bigint': 'storage/lake/json.ts',
  'parquet-wasm': 'storage/parquet-wasm.ts',
  graphology: 'identity/graph-library.ts',
  'graphology-gexf': 'identity/graph-library.ts',
  'graphology-shortest-path': 'identity/graph-library.ts',
  aws4fetch: 'storage/lake/s3-signing.ts',
  'prom-client': 'ingest/metrics.ts',
  re2js: 'identity/regular-expression.ts',
  'smol-toml': 'bin/toml.ts',
  'uWebSockets.js': 'ingest/uws.ts',
};

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/g;

interface Import {
  readonly file: string;
  readonly target: string;
}

function importsOf(folder: string): Import[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .flatMap((name) => {
      const file = join(folder, name);
      const text = readFileSync(file, 'utf8');
      return [...text.matchAll(IMPORT)].map((match) => ({
        file,
        target: (match[1] ?? match[2])!,
      }));
    });
}

test('imports only go down the ladder', () => {
  const climbing = Object.entries(LADDER).flatMap(([folder, allowed]) =>
    importsOf(folder)
      .filter(({ target }) => target.startsWith('.'))
      .filter(({ file, target }) => {
        const home = normalize(join(dirname(file), target)).split('/')[0]!;
        return home !== folder && !allowed.includes(home);
      }),
  );
  assert.deepEqual(climbing, []);
});

test('each external package is imported by its one module', () => {
  const strays = [...Object.keys(LADDER), 'bin'].flatMap((folder) =>
    importsOf(folder)
      .filter(({ target }) => !target.startsWith('.') && !target.startsWith('node:'))
      .filter(({ file, target }) => PACKAGE_HOMES[target] !== file),
  );
  assert.deepEqual(strays, []);
});

test('WebAssembly meets the bytes of others in a process of its own only', () => {
  // Damaged pages end the process that decodes them.
  const importers = (module: string): string[] =>
    [...Object.keys(LADDER), 'bin']
      .flatMap((folder) => importsOf(folder))
      .filter(({ file, target }) => normalize(join(dirname(file), target)) === module)
      .map(({ file }) => file);
  assert.deepEqual(importers('storage/parquet-wasm.ts'), ['engine/file-rows-worker.ts']);
  assert.deepEqual(importers('engine/file-rows-worker.ts'), []);
});

test('below bin/ nobody reads the clock, chance, the environment or the disk by himself', () => {
  // Shared memory and the addon are reached without the file-system port; each says why. The client
  // library stands on nothing of ours, and its file store is its adapter.
  const exempt = new Set([
    'base/clock.ts',
    'base/random.ts',
    'ingest/client/file-store.ts',
    'native/index.ts',
    'storage/node-file-system.ts',
    'storage/hot-directory.ts',
    'storage/memory-file.ts',
    'storage/standard-io.ts',
  ]);
  const banned = /\bDate\.now\(|\bMath\.random\(|\bprocess\.env\b|'node:fs(?:\/promises)?'/;
  const offenders = Object.keys(LADDER)
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((file) => file.endsWith('.ts') && !exempt.has(file))
    .filter((file) => banned.test(readFileSync(file, 'utf8')));
  assert.deepEqual(offenders, []);
});
