/** Public ids against AES of node:crypto. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProfileIds } from '../../identity/profile-ids.ts';
import { native } from '../../native/index.ts';

function expectedId(key: Uint8Array, profile: number): string {
  const block = Buffer.alloc(16);
  block.writeUInt32LE(profile);
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  const id = Buffer.concat([cipher.update(block), cipher.final()]);
  id[6] = (id[6]! & 0x0f) | 0x80;
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

const anyKey = fc.uint8Array({ minLength: 16, maxLength: 16 });
const anyProfile = fc.integer({ min: 1, max: 2 ** 32 - 1 });

for (const plainly of [false, true]) {
  const way = plainly ? 'without' : 'with';
  test(`an id is the AES of its ordinal, ${way} the instructions of the processor`, () => {
    fc.assert(
      fc.property(anyKey, anyProfile, (key, profile) => {
        assert.equal(native.profileText(key, profile, plainly), expectedId(key, profile));
      }),
    );
  });
}

test('an id leads back to its ordinal', () => {
  fc.assert(
    fc.property(anyKey, anyProfile, (key, profile) => {
      const ids = new ProfileIds(key);
      assert.equal(ids.ordinalOf(ids.textOf(profile)), profile);
    }),
    { numRuns: 50 },
  );
});

test('a key of another length gives no ids', () => {
  assert.equal(native.profileText(new Uint8Array(15), 1), undefined);
});
