/** Public ids against AES of node:crypto. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProfileIds } from '../../identity/profile-ids.ts';
import { native } from '../../native/index.ts';

function expectedId(key: Uint8Array, profile: number): Buffer {
  const block = Buffer.alloc(16);
  block.writeUInt32LE(profile);
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  const id = Buffer.concat([cipher.update(block), cipher.final()]);
  id[6] = (id[6]! & 0x0f) | 0x80;
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id;
}

const anyKey = fc.uint8Array({ minLength: 16, maxLength: 16 });
const anyProfile = fc.integer({ min: 1, max: 2 ** 32 - 1 });

for (const plainly of [false, true]) {
  const way = plainly ? 'without' : 'with';
  test(`an id is the AES of its ordinal, ${way} the instructions of the processor`, () => {
    fc.assert(
      fc.property(anyKey, fc.array(anyProfile, { maxLength: 20 }), (key, profiles) => {
        const ids = new Uint8Array(16 * profiles.length);
        const ordinals = Uint32Array.from(profiles);
        assert.ok(native.encryptProfiles(key, ordinals, profiles.length, ids, plainly));
        const expected = profiles.map((profile) => expectedId(key, profile));
        assert.deepEqual(Buffer.from(ids), Buffer.concat(expected));
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

test('ids for which there is no room are refused', () => {
  const key = new Uint8Array(16);
  assert.equal(native.encryptProfiles(key, new Uint32Array(2), 2, new Uint8Array(31)), false);
  assert.equal(native.encryptProfiles(key, new Uint32Array(1), 2, new Uint8Array(32)), false);
  assert.equal(native.encryptProfiles(key.subarray(1), new Uint32Array(1), 1, key), false);
});
