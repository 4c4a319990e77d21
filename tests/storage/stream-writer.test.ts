/** Files written as a stream: whole whatever the pieces, and given up in order when the disk fails. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { MIB } from '../../base/units.ts';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import { type FileSystem, hasErrno } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { StreamWriter } from '../../storage/stream-writer.ts';

const PATH = '/file';

/** Appends runs of the lengths given, of bytes that tell where they are. @returns the size that was told. */
async function write(fileSystem: FileSystem, lengths: readonly number[]): Promise<number> {
  const handle = await fileSystem.open(PATH, 'create', { direct: true });
  const stream = new StreamWriter(fileSystem, handle);
  let position = 0;
  try {
    for (const length of lengths) {
      const start = position;
      await stream.append(length, (offset, target) => {
        assert.equal(start + offset, position, 'places come in order');
        for (let at = 0; at < target.length; at += 1) target[at] = byteAt(position + at);
        position += target.length;
      });
    }
    return await stream.finish();
  } finally {
    await stream.close();
    await handle.close();
  }
}

function byteAt(position: number): number {
  return (position * 7 + (position >>> 12)) % 251;
}

function requireWhole(memory: MemoryFileSystem, bytes: number): void {
  const content = memory.peek(PATH)!;
  assert.equal(content.length, bytes);
  assert.ok(content.every((byte, position) => byte === byteAt(position)));
}

describe('StreamWriter', () => {
  it('runs of any lengths lie one behind another', async () => {
    const random = seededRandom(5);
    const drawn = Array.from({ length: 40 }, () => Math.floor(random() ** 4 * 3 * MIB));
    for (const lengths of [[], [0], [1], [4096], [4 * MIB], [4 * MIB - 1, 2], drawn]) {
      const memory = new MemoryFileSystem();
      const bytes = lengths.reduce((sum, length) => sum + length, 0);
      assert.equal(await write(memory, lengths), bytes);
      requireWhole(memory, bytes);
    }
  });

  it('writes that stop short are gone on with', async () => {
    const memory = new MemoryFileSystem();
    const faults = [0, 1, 3].map(
      (after) => ({ operation: 'write', result: 'short', after }) as const,
    );
    await write(new FaultFileSystem(memory, { faults }), [5 * MIB, 6 * MIB + 17]);
    requireWhole(memory, 11 * MIB + 17);
  });

  for (const operation of ['write', 'truncate', 'sync'] as const) {
    it(`a ${operation} that fails is told, and nothing is written behind it`, async () => {
      const memory = new MemoryFileSystem();
      const faults = [{ operation, result: 'EIO', after: 0 }] as const;
      const writing = write(new FaultFileSystem(memory, { faults }), [9 * MIB, 9 * MIB]);
      await assert.rejects(writing, (error) => hasErrno(error, 'EIO'));
      if (operation === 'write') assert.equal(memory.peek(PATH)!.length, 0);
    });
  }
});
