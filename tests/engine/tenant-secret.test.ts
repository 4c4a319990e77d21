import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandomSource } from '../../base/random.ts';
import { openTenantSecret } from '../../engine/tenant-secret.ts';
import { readFile } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';

test('a secret is made once and read back ever after', async () => {
  const fileSystem = new MemoryFileSystem();
  const made = await openTenantSecret(fileSystem, '/secret', seededRandomSource(1));
  assert.equal(made.profileIds.length, 16);
  assert.equal(made.messageIds.length, 8);
  assert.deepEqual(await openTenantSecret(fileSystem, '/secret', seededRandomSource(2)), made);
});

test('a bit that turned in the secret changed every profile id, unnoticed', async () => {
  const fileSystem = new MemoryFileSystem();
  await openTenantSecret(fileSystem, '/secret', seededRandomSource(1));
  const { length } = await readFile(fileSystem, '/secret');
  for (let position = 0; position < length; position += 1) {
    const damaged = fileSystem.copy();
    damaged.decay('/secret', position, 1 << (position % 8));
    await assert.rejects(openTenantSecret(damaged, '/secret', seededRandomSource(1)), {
      code: 'TRIBUTARY_ENGINE_SECRET_MALFORMED',
    });
  }
});
