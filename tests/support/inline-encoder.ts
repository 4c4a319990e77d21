/** Encodes files of any file system with the real DuckDB, on the test's own process. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIB, MIB } from '../../base/units.ts';
import { encodeFiles } from '../../query/encode-files.ts';
import { type FileSystem, writeFully } from '../../storage/file-system.ts';
import type { EncodedFile, ParquetEncoder } from '../../storage/parquet-encoder.ts';

const LIMITS = { memoryBytesMax: 256 * MIB, spillBytesMax: GIB, threads: 1 };

export function inlineEncoder(fileSystem: FileSystem): ParquetEncoder {
  return {
    async encode(request) {
      const directory = mkdtempSync(join(tmpdir(), 'tributary-encode-'));
      try {
        const output = join(directory, 'file');
        const local = { ...request, output, temporaryDirectory: directory };
        const encoded: EncodedFile[] = [];
        for (const [index, file] of (await encodeFiles(local, LIMITS)).entries()) {
          const path = `${request.output}-${index}`;
          await write(fileSystem, path, readFileSync(file.path));
          encoded.push({ ...file, path });
        }
        return encoded;
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
    close: () => Promise.resolve(),
  };
}

async function write(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  if (await fileSystem.exists(path)) await fileSystem.unlink(path);
  const handle = await fileSystem.open(path, 'create');
  try {
    await writeFully(handle, bytes, 0);
  } finally {
    await handle.close();
  }
}
