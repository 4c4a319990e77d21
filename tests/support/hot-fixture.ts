/** A hot store in a directory of its own, removed after the test. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { MIB } from '../../base/units.ts';
import { HotStore } from '../../engine/hot-store.ts';

export function temporaryDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-test-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A directory for hot data: shared memory where there is some, as in production. */
export function temporaryHotDirectory(context: TestContext): string {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const directory = mkdtempSync(join(parent, 'tributary-test-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function temporaryHotStore(context: TestContext): HotStore {
  const hot = new HotStore(temporaryHotDirectory(context), 512 * MIB);
  context.after(() => hot.close());
  return hot;
}
