/**
 * Builds the native addon: run by npm as the install script, before anything of ours is compiled.
 *
 * One file comes out, build/Release/tributary.duckdb_extension: the shared object with DuckDB's
 * 512 bytes of extension metadata behind it. The loader of shared objects ignores them.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, copyFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

for (const [tool, hint] of [
  ['g++', 'apt-get install g++   (12 or newer)'],
  ['make', 'apt-get install make'],
  ['python3', 'apt-get install python3'],
]) {
  if (spawnSync(tool, ['--version']).error) {
    console.error(
      `tributary: ${tool} is needed to build the native addon and was not found.\n  ${hint}`,
    );
    process.exit(1);
  }
}

const nodeGyp = process.env.npm_config_node_gyp;
if (!nodeGyp) {
  console.error(
    'tributary: run this through npm (`npm ci` or `npm rebuild`), which brings node-gyp.',
  );
  process.exit(1);
}

console.log('tributary: building the native addon (about half a minute) …');
const build = spawnSync(
  process.execPath,
  [nodeGyp, process.argv[2] ?? 'rebuild', '--jobs', 'max'],
  {
    cwd: here,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  },
);
if (build.status !== 0) {
  console.error(build.stdout, build.stderr);
  console.error('tributary: the native addon did not build; the compiler output is above.');
  process.exit(1);
}

const built = join(here, 'build/Release/tributary.node');
const extension = join(here, 'build/Release/tributary.duckdb_extension');
// A running appliance has the old file mapped: it is replaced by name, never written to.
copyFileSync(built, `${extension}.new`);
appendFileSync(`${extension}.new`, duckdbMetadata());
renameSync(`${extension}.new`, extension);
console.log('tributary: native addon built.');

/** Eight 32-byte fields, last first, then a 256-byte signature of zeros: an unsigned extension. */
function duckdbMetadata() {
  const platform = process.arch === 'arm64' ? 'linux_arm64' : 'linux_amd64';
  const fields = ['', '', '', 'C_STRUCT', '0.1.0', 'v1.2.0', platform, '4'];
  const metadata = Buffer.alloc(512);
  fields.forEach((field, index) => {
    metadata.write(field, index * 32, 'latin1');
  });
  return metadata;
}
