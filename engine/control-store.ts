/** Keeps the control document as one file, replaced atomically through the file-system port. */
import { atomicReplace, type FileSystem, readFile } from '../storage/file-system.ts';
import type { ControlStore } from './control.ts';

/** @param path of the file, in a directory that exists. A failed `replace` leaves the old document. */
export function fileControlStore(fileSystem: FileSystem, path: string): ControlStore {
  return {
    path,
    async read() {
      if (!(await fileSystem.exists(path))) return undefined;
      return Buffer.from(await readFile(fileSystem, path)).toString('utf8');
    },
    async replace(text) {
      await atomicReplace(fileSystem, path, Buffer.from(text, 'utf8'));
    },
  };
}
