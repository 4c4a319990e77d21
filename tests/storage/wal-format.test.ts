import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { native } from '../../native/index.ts';
import { crc32c } from '../../storage/crc32c.ts';
import {
  isWalRecordIntact,
  isWalRecordPlausible,
  parseWalFileName,
  readWalFileHeader,
  WAL_BLOCK_BYTES,
  WAL_RECORD_HEADER_BYTES,
  walBuffer,
  walCrcSeed,
  walFileName,
  walRecord,
  walRecordBytes,
  writeWalFileHeader,
  writeWalFiller,
  writeWalRecord,
} from '../../storage/wal-format.ts';
import { setWalVersion } from '../support/wal-version.ts';
import { TENANT_ID } from './wal-harness.ts';

describe('CRC-32C', () => {
  it('the vectors of RFC 3720 hold', () => {
    const of = (bytes: Uint8Array) => crc32c(bytes, 0, bytes.length, 0);
    assert.equal(of(new TextEncoder().encode('123456789')), 0xe3069283);
    assert.equal(of(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(of(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(of(Uint8Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e);
    assert.equal(of(new Uint8Array(0)), 0);
  });

  it('a CRC seeded with that of the bytes before covers both', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (head, tail) => {
        const both = Uint8Array.from([...head, ...tail]);
        const seed = crc32c(both, 0, head.length, 0);
        assert.equal(crc32c(both, head.length, tail.length, seed), crc32c(both, 0, both.length, 0));
      }),
    );
  });

  it('the addon agrees with the reference', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(40),
        fc.integer({ min: 0, max: 0xffffffff }),
        (bytes, skipped, seed) => {
          const offset = Math.min(skipped, bytes.length);
          const length = bytes.length - offset;
          const expected = crc32c(bytes, offset, length, seed);
          assert.equal(native.crc32c(bytes, offset, length, seed), expected);
        },
      ),
    );
  });
});

describe('WAL format', () => {
  const fileId = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const header = {
    fileId,
    ordinal: 7,
    sequenceFloor: 2 ** 40 + 5,
    createdAtMicros: 1_700_000_000_123_456,
    tenantId: TENANT_ID,
  };

  function headerBlock(): Uint8Array {
    const block = new Uint8Array(WAL_BLOCK_BYTES);
    writeWalFileHeader(block, header, crc32c);
    return block;
  }

  it('a file header has the bytes that docs/format.md gives', () => {
    const block = headerBlock();
    assert.deepEqual(block.subarray(0, 8), new TextEncoder().encode('TRIBWAL\0'));
    assert.deepEqual(block.subarray(12, 16), Uint8Array.of(2, 0, 0, 0));
    assert.deepEqual(block.subarray(16, 24), fileId);
    assert.deepEqual(block.subarray(24, 32), Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0));
    assert.deepEqual(block.subarray(32, 40), Uint8Array.of(5, 0, 0, 0, 0, 1, 0, 0));
    assert.deepEqual(block.subarray(48, 64), TENANT_ID);
    assert.ok(block.subarray(64).every((byte) => byte === 0));
    assert.deepEqual(readWalFileHeader(block, crc32c), header);
  });

  it('a header with any bit changed is none, a newer version is told', () => {
    for (let bit = 0; bit < WAL_BLOCK_BYTES * 8; bit += 101) {
      const block = headerBlock();
      block[bit >> 3] ^= 1 << (bit & 7);
      const isVersion = bit >> 3 >= 12 && bit >> 3 < 16;
      if (!isVersion) assert.equal(readWalFileHeader(block, crc32c), undefined, `bit ${bit}`);
    }
    const newer = headerBlock();
    newer[12] = 3;
    assert.deepEqual(readWalFileHeader(newer, crc32c), { newerVersion: 3 });
    assert.equal(readWalFileHeader(headerBlock().subarray(0, 4095), crc32c), undefined);
  });

  it('a header of version 1 is read, which had no senders', () => {
    const block = headerBlock();
    setWalVersion(block, 1);
    assert.deepEqual(readWalFileHeader(block, crc32c), header);
    setWalVersion(block, 0);
    assert.equal(readWalFileHeader(block, crc32c), undefined);
  });

  it('a record has the bytes that docs/format.md gives', () => {
    const buffer = walBuffer(new Uint8Array(64).fill(0xaa));
    buffer.bytes.set(new TextEncoder().encode('hello'), WAL_RECORD_HEADER_BYTES);
    const fields = {
      length: 5,
      sequence: 2 ** 33 + 1,
      receivedAtMicros: 258,
      type: 1,
      codec: 2,
      source: 0x0304,
      eventCount: 9,
      defaultType: 6,
      hasSender: false,
    } as const;
    const seed = walCrcSeed(fileId, crc32c);
    assert.equal(writeWalRecord(buffer, 0, fields, 11, seed, crc32c), 48);
    const { bytes, view } = buffer;
    // biome-ignore format: one line per field
    assert.deepEqual([...bytes.subarray(0, 4), ...bytes.subarray(8, 48)], [
      5, 0, 0, 0,
      1, 0, 0, 0, 2, 0, 0, 0,
      2, 1, 0, 0, 0, 0, 0, 0,
      11, 0, 0, 0,
      1, 2, 4, 3,
      9, 0, 0, 0,
      6, 0, 0, 0,
      104, 101, 108, 108, 111, 0, 0, 0,
    ]);
    const covered = [...fileId, ...bytes.subarray(8, 45)];
    assert.equal(view.getUint32(4, true), crc32c(Uint8Array.from(covered), 0, covered.length, 0));
    for (const [name, value] of Object.entries(fields)) {
      assert.equal(walRecord[name as keyof typeof fields](view, 0), value, name);
    }
    assert.equal(walRecord.group(view, 0), 11);
    assert.ok(isWalRecordIntact(buffer, 0, seed, crc32c));
    assert.ok(!isWalRecordIntact(buffer, 0, seed ^ 1, crc32c), 'another file');
  });

  it('the sender of a record is told by a flag, which only events that are long enough can have', () => {
    const fields = {
      length: 16,
      sequence: 1,
      receivedAtMicros: 0,
      type: 1,
      codec: 1,
      source: 0,
      eventCount: 1,
      defaultType: 0,
    } as const;
    const isPlausible = (change: object): boolean => {
      const buffer = walBuffer(new Uint8Array(64));
      writeWalRecord(buffer, 0, { ...fields, hasSender: true, ...change }, 0, 0, crc32c);
      assert.equal(walRecord.hasSender(buffer.view, 0), buffer.bytes[37] === 2);
      return isWalRecordPlausible(buffer.view, 0, 0);
    };
    assert.ok(isPlausible({}));
    assert.ok(!isPlausible({ length: 15 }));
    assert.ok(isPlausible({ length: 15, hasSender: false }));
    assert.ok(!isPlausible({ type: 2 }));
    assert.ok(isPlausible({ type: 2, hasSender: false }));
  });

  it('a filler ends at a block boundary, one further when its header does not fit', () => {
    for (const [offset, end] of [
      [48, 4096],
      [4056, 4096],
      [4064, 8192],
      [4096, 8192],
    ]) {
      const buffer = walBuffer(new Uint8Array(8192).fill(0xaa));
      assert.equal(writeWalFiller(buffer, offset, 5, 2, 99, crc32c), end);
      assert.ok(isWalRecordIntact(buffer, offset, 99, crc32c));
      assert.equal(walRecordBytes(walRecord.length(buffer.view, offset)), end - offset);
    }
  });

  it('file names sort by ordinal and other names are not taken for one', () => {
    assert.equal(walFileName(7), 'wal-0000000000000007');
    assert.equal(parseWalFileName(walFileName(123_456)), 123_456);
    for (const name of ['wal-7', 'wal-0000000000000007.tmp', 'LOCK', '']) {
      assert.equal(parseWalFileName(name), undefined);
    }
  });
});
