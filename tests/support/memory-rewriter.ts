/** Rewrites files of any file system with the real DuckDB, on the test's own process. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIB, MIB } from '../../base/units.ts';
import { rewriteFiles } from '../../query/rewrite-files.ts';
import { type FileSystem, readFile, writeFully } from '../../storage/file-system.ts';
import type { FileRewriter } from '../../storage/lake/file-rewriter.ts';

export function memoryRewriter(fileSystem: FileSystem): FileRewriter {
  return {
    async rewrite(request) {
      const directory = mkdtempSync(join(tmpdir(), 'tributary-rewrite-'));
      try {
        const inputs: string[] = [];
        for (const [index, path] of request.inputs.entries()) {
          inputs.push(join(directory, `${index}.parquet`));
          writeFileSync(inputs.at(-1)!, await readFile(fileSystem, path));
        }
        const output = join(directory, 'output');
        const local = { ...request, inputs, output, temporaryDirectory: directory };
        const limits = { memoryBytesMax: 256 * MIB, spillBytesMax: GIB, threads: 1 };
        const rewritten = await rewriteFiles(local, limits);
        if (!existsSync(output)) return rewritten;
        const handle = await fileSystem.open(request.output, 'create');
        try {
          await writeFully(handle, readFileSync(output), 0);
        } finally {
          await handle.close();
        }
        return rewritten;
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
    close: () => Promise.resolve(),
  };
}
