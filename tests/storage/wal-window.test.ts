/** The window over a log file, where records reach from piece to piece and reads fail ahead of their use. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { MIB } from '../../base/units.ts';
import { native } from '../../native/index.ts';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import { type FileSystem, hasErrno, writeFully } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import {
  WAL_BLOCK_BYTES,
  WAL_RECORD_HEADER_BYTES,
  walBuffer,
  walRecord,
  walRecordBytes,
  writeWalRecord,
} from '../../storage/wal-format.ts';
import { WalWindow } from '../../storage/wal-window.ts';

const { crc32c } = native;
const SEED = 7;
/** Around the sizes of the window's pieces and heads, among small ones. */
const LENGTHS = [
  0,
  40_000,
  LIMITS.walRecordBytesMax,
  1,
  3 * MIB,
  ...Array.from({ length: 120 }, (_, index) => 30_000 + index * 997),
  4 * MIB - WAL_RECORD_HEADER_BYTES,
  4 * MIB,
  200 * 1024,
  LIMITS.walRecordBytesMax - 1,
  17,
];

interface Placed {
  readonly sequence: number;
  readonly position: number;
}

/** A file: an empty header, and a record of each length. Each payload is full of its sequence. */
function makeFile(lengths: readonly number[]): {
  readonly bytes: Uint8Array;
  readonly records: readonly Placed[];
} {
  const end = lengths.reduce((sum, length) => sum + walRecordBytes(length), WAL_BLOCK_BYTES);
  const buffer = walBuffer(new Uint8Array(end));
  const records: Placed[] = [];
  let position = WAL_BLOCK_BYTES;
  for (const [index, length] of lengths.entries()) {
    const sequence = index + 1;
    records.push({ sequence, position });
    const payload = position + WAL_RECORD_HEADER_BYTES;
    buffer.bytes.fill(sequence % 256, payload, payload + length);
    const fields = { receivedAtMicros: 1, type: 1, codec: 1, source: 0, defaultType: 0 } as const;
    const record = { ...fields, hasSender: false, length, sequence, eventCount: 1 };
    position = writeWalRecord(buffer, position, record, sequence, SEED, crc32c);
  }
  return { bytes: buffer.bytes, records };
}

const FILE = makeFile(LENGTHS);

async function withWindow(
  fileSystem: FileSystem,
  path: string,
  fileBytes: number,
  use: (window: WalWindow) => Promise<void>,
): Promise<void> {
  const handle = await fileSystem.open(path, 'read', { direct: true });
  const window = new WalWindow(fileSystem, crc32c);
  window.attach(handle, fileBytes, SEED);
  try {
    await use(window);
  } finally {
    await window.settle();
    await handle.close();
  }
}

async function put(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const handle = await fileSystem.open(path, 'create');
  await writeFully(handle, bytes, 0);
  await handle.close();
}

/** Visits what is intact from `position` on; `until` says after how many to stop. */
async function walk(
  window: WalWindow,
  position: number,
  until = Number.POSITIVE_INFINITY,
): Promise<{ readonly seen: Placed[]; readonly end: number }> {
  const seen: Placed[] = [];
  const end = await window.walk(position, (index, at) => {
    const { view, bytes } = window.buffer;
    const sequence = walRecord.sequence(view, index);
    const payload = index + WAL_RECORD_HEADER_BYTES;
    const last = payload + walRecord.length(view, index) - 1;
    if (last >= payload) assert.equal(bytes[last], sequence % 256);
    seen.push({ sequence, position: at });
    return seen.length < until;
  });
  return { seen, end };
}

const onMemory = async (bytes: Uint8Array): Promise<MemoryFileSystem> => {
  const fileSystem = new MemoryFileSystem();
  await put(fileSystem, '/wal', bytes);
  return fileSystem;
};

describe('WAL window', () => {
  it('records of all sizes are walked over, one behind another', async () => {
    const fileSystem = await onMemory(FILE.bytes);
    await withWindow(fileSystem, '/wal', FILE.bytes.length, async (window) => {
      const { seen, end } = await walk(window, WAL_BLOCK_BYTES);
      assert.deepEqual(seen, FILE.records);
      assert.equal(end, FILE.bytes.length);
    });
  });

  it('a file that ends within a block is read past the page cache to its last byte', async () => {
    assert.notEqual(FILE.bytes.length % WAL_BLOCK_BYTES, 0);
    const directory = await mkdtemp(join(tmpdir(), 'tributary-window-'));
    const fileSystem = new NodeFileSystem(native);
    const path = join(directory, 'wal');
    try {
      await put(fileSystem, path, FILE.bytes);
      await withWindow(fileSystem, path, FILE.bytes.length, async (window) => {
        assert.deepEqual((await walk(window, WAL_BLOCK_BYTES)).seen, FILE.records);
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  // More than 4 MiB of damage in one run ended in a RangeError.
  it('it goes back to what lies behind a damage after it has looked for more', async () => {
    const bytes = FILE.bytes.slice();
    const damaged = FILE.records[60]!;
    bytes[damaged.position + 12] ^= 1;
    const fileSystem = await onMemory(bytes);
    await withWindow(fileSystem, '/wal', FILE.bytes.length, async (window) => {
      const before = await walk(window, WAL_BLOCK_BYTES);
      assert.deepEqual(before, { seen: FILE.records.slice(0, 60), end: damaged.position });
      const late = FILE.records.at(-2)!;
      assert.equal(await window.find(damaged.position + 8, late.sequence), late.position);
      const next = await window.find(damaged.position + 8, 0);
      assert.equal(next, FILE.records[61]!.position);
      assert.deepEqual((await walk(window, next)).seen, FILE.records.slice(61));
    });
  });

  it('a read ahead that fails is told when its bytes are due, and not before', async () => {
    const { bytes, records } = makeFile(Array.from({ length: 150 }, (_, index) => 100_000 + index));
    const inner = await onMemory(bytes);
    for (let pieces = 0; pieces < 4; pieces += 1) {
      const faults = [{ operation: 'read', result: 'EIO', after: pieces, lasting: true }] as const;
      const readTo = WAL_BLOCK_BYTES + pieces * 4 * MIB;
      const whole = records.filter(
        (_, index) => (records[index + 1]?.position ?? bytes.length) <= readTo,
      );
      const stopping = new FaultFileSystem(inner, { faults });
      await withWindow(stopping, '/wal', bytes.length, async (window) => {
        if (whole.length === 0) return;
        const { seen } = await walk(window, WAL_BLOCK_BYTES, whole.length);
        assert.deepEqual(seen, whole);
      });
      const going = new FaultFileSystem(inner, { faults });
      await withWindow(going, '/wal', bytes.length, (window) =>
        assert.rejects(walk(window, WAL_BLOCK_BYTES), (error) => hasErrno(error, 'EIO')),
      );
    }
  });
});
