import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { seededRandomSource } from '../../base/random.ts';

import { type BootstrapKeys, ControlPlane } from '../../engine/control.ts';
import { type ControlDocument, parseControl, serialiseControl } from '../../engine/control-file.ts';
import { isMistyped, keyId, mintKey } from '../../engine/control-keys.ts';
import { fileControlStore } from '../../engine/control-store.ts';
import { readFile } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';

async function open(fileSystem: MemoryFileSystem, bootstrap: BootstrapKeys = {}) {
  const store = fileControlStore(fileSystem, '/control.json');
  const random = seededRandomSource(1);
  return ControlPlane.open({ store, clock: systemClock, random, bootstrap });
}

test('the first start mints keys and shows them once', async () => {
  const fileSystem = new MemoryFileSystem();
  const first = await open(fileSystem);
  const { writeKey, adminKey } = first.issued ?? {};
  assert.ok(writeKey !== undefined && adminKey !== undefined);
  const second = await open(fileSystem);
  assert.equal(second.issued, undefined);
  for (const control of [first, second]) {
    const principal = control.authenticateWrite(writeKey);
    assert.equal(principal?.tenantId, first.tenants[0]?.id);
    assert.deepEqual(principal?.source, { ordinal: 1, name: 'default' });
    assert.equal(control.authenticateWrite(writeKey), principal);
    assert.equal(control.authenticateAdmin(adminKey)?.tenantId, first.tenants[0]?.id);
  }
});

test('a key opens only what it is for', async () => {
  const control = await open(new MemoryFileSystem());
  assert.equal(control.authenticateAdmin(control.issued?.writeKey ?? ''), undefined);
  assert.equal(control.authenticateWrite(control.issued?.adminKey ?? ''), undefined);
  assert.equal(control.authenticateWrite(''), undefined);
});

test('bootstrap keys are any text, and are not shown', async () => {
  const bootstrap = { writeKey: 'pass:word', adminKey: 'ключ-администратора' };
  const control = await open(new MemoryFileSystem(), bootstrap);
  assert.deepEqual(control.issued, {});
  assert.ok(control.authenticateWrite(bootstrap.writeKey));
  assert.ok(control.authenticateAdmin(bootstrap.adminKey));
});

test('a changed character of a minted key is a typing mistake', () => {
  const key = mintKey('write', seededRandomSource(7));
  assert.match(key, /^tributary_write_[0-9a-z]{8}_[0-9a-z]{39}$/);
  assert.equal(isMistyped(key), false);
  assert.equal(keyId(key), key.split('_')[2]);
  for (let position = key.length - 39; position < key.length; position += 1) {
    const other = key[position] === 'a' ? 'b' : 'a';
    assert.ok(isMistyped(key.slice(0, position) + other + key.slice(position + 1)));
  }
});

test('a key with a known id and another secret is not known', async () => {
  const control = await open(new MemoryFileSystem());
  const id = keyId(control.issued?.writeKey ?? '');
  const forged = mintKey('write', { bytes: (count) => new Uint8Array(count) });
  assert.equal(control.authenticateWrite(forged.replace(/_[0-9a-z]{8}_/, `_${id}_`)), undefined);
});

test('a control file that is damaged or of another version is refused', () => {
  const key = { id: 'k', sha256: '0'.repeat(64), created_at: '' };
  const source = { ordinal: 1, name: 's', keys: [key] };
  const id = '00000000-0000-4000-8000-000000000000';
  const tenant = { id, name: 't', sources: [source], admin_keys: [key] };
  const written = (value: unknown) => () =>
    parseControl(serialiseControl(value as ControlDocument), 'control.json');
  written({ format_version: 2, tenants: [tenant] })();
  for (const value of [
    null,
    { format_version: 3, tenants: [tenant] },
    { format_version: 2, tenants: [] },
    { format_version: 2, tenants: [tenant, tenant] },
    { format_version: 2, tenants: [{ ...tenant, id: '../up' }] },
    { format_version: 2, tenants: [{ ...tenant, sources: [source, source] }] },
    { format_version: 2, tenants: [{ ...tenant, sources: [{ ...source, ordinal: 0 }] }] },
    { format_version: 2, tenants: [{ ...tenant, admin_keys: [{ ...key, sha256: 'x' }] }] },
  ]) {
    assert.throws(written(value), (error) => error instanceof TributaryError);
  }
  assert.throws(() => parseControl('{', 'control.json'), /it is not JSON/);
});

test('a lake token opens the lake until it is revoked, and outlives a restart', async () => {
  const fileSystem = new MemoryFileSystem();
  const control = await open(fileSystem);
  const tenantId = control.tenants[0]!.id;
  const { id, token } = await control.createLakeToken(tenantId, 'trino');
  assert.match(token, /^tributary_lake_[0-9a-z]{8}_[0-9a-z]{39}$/);
  const restarted = await open(fileSystem);
  for (const plane of [control, restarted]) {
    assert.deepEqual(plane.authenticateLake(token), { tenantId, tokenId: id });
    assert.deepEqual(plane.lakePrincipal(id), { tenantId, tokenId: id });
    assert.equal(plane.authenticateAdmin(token), undefined);
    assert.deepEqual(
      plane.lakeTokens(tenantId).map(({ name }) => name),
      ['trino'],
    );
  }
  const text = Buffer.from(await readFile(fileSystem, '/control.json')).toString('utf8');
  assert.ok(!text.includes(token), 'only its hash is stored');
  await restarted.revokeLakeToken(tenantId, id);
  assert.equal(restarted.authenticateLake(token), undefined);
  assert.equal((await open(fileSystem)).authenticateLake(token), undefined);
});

test('lake tokens made at once are all kept, up to the limit', async () => {
  const control = await open(new MemoryFileSystem());
  const tenantId = control.tenants[0]!.id;
  const attempts = Array.from({ length: LIMITS.lakeTokensMax + 1 }, (_, index) =>
    control.createLakeToken(tenantId, `token ${index}`),
  );
  const results = await Promise.allSettled(attempts);
  const refused = results.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 1);
  assert.equal(control.lakeTokens(tenantId).length, LIMITS.lakeTokensMax);
  await assert.rejects(control.revokeLakeToken(tenantId, 'nothing'), /There is no lake token/);
});

test('a bit that turns in the control file is noticed, wherever it is', () => {
  const key = { id: 'k', sha256: '0'.repeat(64), created_at: '' };
  const source = { ordinal: 1, name: 's', keys: [key] };
  const id = '00000000-0000-4000-8000-000000000000';
  const tenant = { id, name: 't', sources: [source], admin_keys: [key] };
  const document = { format_version: 2, tenants: [tenant] };
  const sound = Buffer.from(serialiseControl(document));
  for (let position = 0; position < sound.length; position += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const damaged = Buffer.from(sound);
      damaged[position]! ^= 1 << bit;
      try {
        assert.deepEqual(parseControl(damaged.toString('utf8'), 'control.json'), document);
      } catch (error) {
        assert.ok(error instanceof TributaryError, `bit ${bit} of byte ${position}: ${error}`);
      }
    }
  }
});
