/** Runs of a file in pieces: in order, whatever the order in which reads end, and nothing after an end. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MIB } from '../../base/units.ts';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import {
  DIRECT_BLOCK_BYTES,
  type FileHandle,
  hasErrno,
  writeFully,
} from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { PieceReader } from '../../storage/piece-reader.ts';

const FILE_BYTES = 22 * MIB + 13;
const CONTENT = new Uint8Array(FILE_BYTES);
for (let at = 0; at < FILE_BYTES; at += 1021) CONTENT[at] = at % 251;

const inner = new MemoryFileSystem();
const made = await inner.open('/file', 'create');
await writeFully(made, CONTENT, 0);
await made.close();

interface Watched {
  readonly handle: FileHandle;
  reading: number;
}

/** A handle of whole blocks whose reads end in turns of their own, the later ones often first, and are often short. */
async function watchedFile(fileSystem = inner as Pick<MemoryFileSystem, 'open'>): Promise<Watched> {
  const handle = await fileSystem.open('/file', 'read', { direct: true });
  const watched = {
    reading: 0,
    handle: {
      ...handle,
      async read(target: Uint8Array, targetOffset: number, length: number, position: number) {
        watched.reading += 1;
        const isAligned = [targetOffset, length, position].every(
          (number) => number % DIRECT_BLOCK_BYTES === 0,
        );
        assert.ok(isAligned, 'reads of whole blocks');
        for (let turn = 0; turn < (position / MIB) % 7; turn += 1) await Promise.resolve();
        try {
          const isShort = (position / DIRECT_BLOCK_BYTES) % 3 === 1;
          const most = isShort ? Math.ceil(length / 2) + 100 : length;
          return await handle.read(target, targetOffset, Math.min(most, length), position);
        } finally {
          watched.reading -= 1;
        }
      },
    } as FileHandle,
  };
  return watched;
}

async function read(
  reader: PieceReader,
  { handle }: Watched,
  position: number,
  bytes: number,
): Promise<Uint8Array> {
  const target = new Uint8Array(bytes);
  let next = 0;
  const length = await reader.read(handle, position, bytes, (offset, piece) => {
    assert.equal(offset, next);
    target.set(piece, offset);
    next += piece.length;
  });
  assert.equal(length, next);
  return target.subarray(0, length);
}

const same = (one: Uint8Array, other: Uint8Array): void =>
  assert.equal(Buffer.compare(one, other), 0);

describe('PieceReader', () => {
  it('runs of all lengths come in order, one after another by one reader', async () => {
    const file = await watchedFile();
    const reader = new PieceReader(inner);
    for (const [position, bytes] of [
      [0, 0],
      [5, 1],
      [0, 4 * MIB],
      [7, 4 * MIB + 1],
      [3, 12 * MIB],
      [MIB, 13 * MIB + 5],
      [0, FILE_BYTES],
    ] as const) {
      same(await read(reader, file, position, bytes), CONTENT.subarray(position, position + bytes));
      assert.equal(file.reading, 0);
    }
  });

  it('a file that ends before the run gives what there is', async () => {
    const file = await watchedFile();
    for (const position of [0, 10 * MIB + 13, 22 * MIB, FILE_BYTES, FILE_BYTES + 1]) {
      const bytes = await read(new PieceReader(inner), file, position, 40 * MIB);
      same(bytes, CONTENT.subarray(position));
      assert.equal(file.reading, 0);
    }
  });

  it('a read that fails, or a user that throws, leaves no read under way', async () => {
    const faults = [{ operation: 'read', result: 'EIO', after: 2 }] as const;
    const failing = await watchedFile(new FaultFileSystem(inner, { faults }));
    let pieces = 0;
    const reading = new PieceReader(inner).read(failing.handle, 0, FILE_BYTES, () => {
      pieces += 1;
    });
    await assert.rejects(reading, (error) => hasErrno(error, 'EIO'));
    assert.ok(pieces <= 2);
    assert.equal(failing.reading, 0);

    const file = await watchedFile();
    const broken = new PieceReader(inner).read(file.handle, 0, FILE_BYTES, () => {
      throw new Error('no room');
    });
    await assert.rejects(broken, /no room/);
    assert.equal(file.reading, 0);
  });
});
