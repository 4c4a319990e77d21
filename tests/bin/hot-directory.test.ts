import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MIB } from '../../base/units.ts';
import { prepareHotDirectory } from '../../bin/hot-directory.ts';

function temporaryDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-test-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('a configured directory is made, and hot data may take what was configured', (context) => {
  const path = join(temporaryDirectory(context), 'a', 'b');
  assert.deepEqual(prepareHotDirectory(path, '/nowhere', MIB), { path, bytesMax: MIB });
  assert.ok(existsSync(path));
});

test('hot data takes at most four fifths of a smaller file system', (context) => {
  const path = temporaryDirectory(context);
  const { blocks, bsize } = statfsSync(path);
  const { bytesMax } = prepareHotDirectory(path, '/nowhere', Number.MAX_SAFE_INTEGER);
  assert.equal(bytesMax, Math.floor(blocks * bsize * 0.8));
});

test('two data directories get two hot directories, and each the same one again', (context) => {
  const data = [temporaryDirectory(context), temporaryDirectory(context)];
  const paths = data.map((directory) => prepareHotDirectory('', directory, MIB).path);
  context.after(() => {
    for (const path of paths) rmSync(path, { recursive: true, force: true });
  });
  assert.notEqual(paths[0], paths[1]);
  assert.equal(prepareHotDirectory('', data[0]!, MIB).path, paths[0]);
});
