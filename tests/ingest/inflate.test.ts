import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { type ErrorCode, TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { KIB, MIB } from '../../base/units.ts';
import { ByteBudget } from '../../ingest/byte-budget.ts';
import { COMPRESSIONS, inflate, inflatePieces, parseEncoding } from '../../ingest/inflate.ts';

const hasCode = (code: ErrorCode) => (error: unknown) =>
  error instanceof TributaryError && error.code === code;

test('output at the limit passes, one byte more does not, and nothing stays taken', async () => {
  const budget = new ByteBudget(MIB);
  const text = Buffer.alloc(60 * KIB, 'ab');
  const inflated = await inflate('gzip', gzipSync(text), text.length, budget);
  assert.deepEqual(Buffer.from(inflated), text);
  assert.equal(budget.used, text.length);
  budget.release(text.length);
  const refused = inflate('gzip', gzipSync(text), text.length - 1, budget);
  await assert.rejects(refused, hasCode('TRIBUTARY_INGEST_BODY_TOO_LARGE'));
  assert.equal(budget.used, 0);
});

test('a ratio beyond the limit is refused whatever the size allows', async () => {
  const budget = new ByteBudget(64 * MIB);
  const bomb = gzipSync(Buffer.alloc(16 * MIB));
  assert.ok(bomb.length * LIMITS.gzipRatioMax < 15 * MIB);
  await assert.rejects(
    inflate('gzip', bomb, 64 * MIB, budget),
    hasCode('TRIBUTARY_INGEST_ENCODING_RATIO'),
  );
  assert.equal(budget.used, 0);
});

test('output that finds no room is refused', async () => {
  const budget = new ByteBudget(10 * KIB);
  const body = gzipSync(Buffer.alloc(20 * KIB, 'ab'));
  await assert.rejects(
    inflate('gzip', body, MIB, budget),
    hasCode('TRIBUTARY_INGEST_IN_FLIGHT_FULL'),
  );
  assert.equal(budget.used, 0);
});

test('a body that is cut short is refused', async () => {
  const budget = new ByteBudget(MIB);
  const body = gzipSync(Buffer.from('some text')).subarray(0, -4);
  await assert.rejects(
    inflate('gzip', body, MIB, budget),
    hasCode('TRIBUTARY_INGEST_ENCODING_MALFORMED'),
  );
  assert.equal(budget.used, 0);
});

test('each compression keeps the limits', async () => {
  const text = Buffer.alloc(60 * KIB, 'ab');
  for (const [compression, compress] of [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['br', brotliCompressSync],
  ] as const) {
    const budget = new ByteBudget(64 * MIB);
    const inflated = await inflate(compression, compress(text), text.length, budget);
    assert.deepEqual(Buffer.from(inflated), text);
    budget.release(text.length);
    const long = inflate(compression, compress(text), text.length - 1, budget);
    await assert.rejects(long, hasCode('TRIBUTARY_INGEST_BODY_TOO_LARGE'));
    const bomb = inflate(compression, compress(Buffer.alloc(16 * MIB)), 64 * MIB, budget);
    await assert.rejects(bomb, hasCode('TRIBUTARY_INGEST_ENCODING_RATIO'));
    const cut = inflate(compression, compress(text).subarray(0, -3), MIB, budget);
    await assert.rejects(cut, hasCode('TRIBUTARY_INGEST_ENCODING_MALFORMED'));
    assert.equal(budget.used, 0, compression);
  }
});

test('pieces may be overwritten once the next one is asked for', async () => {
  const text = Buffer.from(Array.from({ length: 5000 }, (_, index) => `line ${index}\n`).join(''));
  const compressed = gzipSync(text);
  const memory = Buffer.alloc(600);
  async function* reused(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < compressed.length; at += memory.length) {
      const piece = compressed.subarray(at, at + memory.length);
      memory.set(piece);
      yield memory.subarray(0, piece.length);
      memory.fill(0);
    }
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of inflatePieces('gzip', reused())) pieces.push(piece);
  assert.deepEqual(Buffer.concat(pieces), text);
});

test('zstd is taken where this Node has it', async () => {
  const zlib = (await import('node:zlib')) as { zstdCompressSync?: (text: Buffer) => Buffer };
  assert.equal(COMPRESSIONS.includes('zstd'), zlib.zstdCompressSync !== undefined);
  if (zlib.zstdCompressSync === undefined) return;
  const text = Buffer.from('some text');
  const inflated = await inflate('zstd', zlib.zstdCompressSync(text), 9, new ByteBudget(MIB));
  assert.deepEqual(Buffer.from(inflated), text);
});

test('an encoding is known by any case, and two at once are none', () => {
  assert.equal(parseEncoding(''), 'identity');
  assert.equal(parseEncoding(' GZip '), 'gzip');
  assert.equal(parseEncoding('x-gzip'), 'gzip');
  assert.equal(parseEncoding('gzip, br'), undefined);
  assert.equal(parseEncoding('compress'), undefined);
});
