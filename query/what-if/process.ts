/**
 * Runs one what-if in a process of its own, so that its memory, its processor time and its crashes are
 * nobody else's: the lowest priority, an empty environment, RLIMIT_DATA for all that is not a file.
 *
 * Its arrays are files on the disk of the data, which the kernel can write back and drop: they must not take
 * shared memory from ingestion. They go when it ends, however it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { TributaryError } from '../../base/errors.ts';
import type { WhatIfProgress, WhatIfReport } from '../../engine/what-if/report-format.ts';
import type { FileSystem } from '../../storage/file-system.ts';
import type { WhatIfLine, WhatIfOrder } from './order.ts';

const PROGRAM = fileURLToPath(new URL('./worker.js', import.meta.url));
const HEAP_MEBIBYTES_MAX = 512;
const PRIORITY_LOWEST = 19;
const LAST_WORDS_CHARACTERS_MAX = 500;

export interface RunningWhatIf {
  /** Rejects with TRIBUTARY_IDENTITY_WHAT_IF_FAILED, also when it was killed. */
  readonly report: Promise<WhatIfReport>;
  /** Ends it now. Idempotent. */
  kill(): void;
}

/** @param fileSystem holds `order.directory`, which is made when missing, and emptied. */
export function startWhatIf(
  order: WhatIfOrder,
  fileSystem: FileSystem,
  onProgress: (progress: WhatIfProgress) => void,
): RunningWhatIf {
  const abort = new AbortController();
  const run = async (): Promise<WhatIfReport> => {
    await fileSystem.makeDirectory(order.directory);
    await removeFiles(fileSystem, order.directory);
    try {
      return await reportOf(start(order, abort.signal), onProgress);
    } finally {
      await removeFiles(fileSystem, order.directory);
    }
  };
  return { report: run(), kill: () => abort.abort() };
}

function start(order: WhatIfOrder, signal: AbortSignal): ChildProcess {
  const worker = spawn(process.execPath, [`--max-old-space-size=${HEAP_MEBIBYTES_MAX}`, PROGRAM], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {},
    signal,
    killSignal: 'SIGKILL',
  });
  try {
    if (worker.pid !== undefined) setPriority(worker.pid, PRIORITY_LOWEST);
  } catch {
    // It is gone already; its end tells.
  }
  worker.stdin!.on('error', () => {}); // Its end tells.
  worker.stdin!.write(`${JSON.stringify(order)}\n`);
  return worker;
}

async function removeFiles(fileSystem: FileSystem, directory: string): Promise<void> {
  for (const name of await fileSystem.list(directory)) {
    await fileSystem.unlink(`${directory}/${name}`);
  }
}

function reportOf(
  worker: ChildProcess,
  onProgress: (progress: WhatIfProgress) => void,
): Promise<WhatIfReport> {
  let report: WhatIfReport | undefined;
  let pending = '';
  let words = '';
  worker.stdout!.setEncoding('utf8').on('data', (text: string) => {
    const lines = (pending + text).split('\n');
    pending = lines.pop()!;
    for (const line of lines) {
      const said = JSON.parse(line) as WhatIfLine;
      if ('report' in said) report = said.report;
      else onProgress(said.progress);
    }
  });
  worker.stderr!.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS_CHARACTERS_MAX);
  });
  return new Promise((resolve, reject) => {
    const end = (how: string): void => {
      if (how === 'code 0' && report !== undefined) {
        resolve(report);
        return;
      }
      const reason = words.trim().split('\n').at(-1) || how;
      reject(new TributaryError('TRIBUTARY_IDENTITY_WHAT_IF_FAILED', { reason }));
    };
    let failure: string | undefined;
    worker.on('error', ({ message }) => {
      failure = message;
      if (worker.pid === undefined) end(message);
    });
    worker.on('close', (code, signal) => end(failure ?? signal ?? `code ${code}`));
  });
}
