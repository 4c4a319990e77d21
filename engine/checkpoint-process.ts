/**
 * The process that makes a checkpoint (checkpoint-worker.ts), from the side of the one that wants it.
 *
 * It is nicer than the write path from its first moment on, or never: an unprivileged process can take
 * priority from another, and not give it back.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { TributaryError } from '../base/errors.ts';
import type { CheckpointAnswer, CheckpointOrder } from './checkpoint-order.ts';

/** A checkpoint that is being made. */
export interface CheckpointRun {
  readonly processId: number | undefined;
  /** @throws TRIBUTARY_ENGINE_CHECKPOINT_FAILED when the process did not end well. */
  readonly answer: Promise<CheckpointAnswer>;
  /** Ends the process at once; what it has written of a checkpoint is none. Idempotent. */
  end(): void;
}

/** @param niceness as of nice(1), 0 for that of this process. */
export type StartCheckpoint = (order: CheckpointOrder, niceness: number) => CheckpointRun;

const PROGRAM = fileURLToPath(new URL('./checkpoint-worker.js', import.meta.url));
const HEAP_MEBIBYTES_MAX = 256;
const LAST_WORDS_CHARACTERS_MAX = 500;

export const startCheckpointProcess: StartCheckpoint = (order, niceness) => {
  const worker = spawn(process.execPath, [`--max-old-space-size=${HEAP_MEBIBYTES_MAX}`, PROGRAM], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {},
  });
  try {
    if (worker.pid !== undefined && niceness > 0) setPriority(worker.pid, niceness);
  } catch {
    // It is gone already; its end tells.
  }
  worker.stdin.on('error', () => {}); // Its end tells.
  worker.stdin.write(`${JSON.stringify(order)}\n`);
  return {
    processId: worker.pid,
    answer: outputOf(worker).then((output) => JSON.parse(output) as CheckpointAnswer),
    end: () => worker.kill('SIGKILL'),
  };
};

/** What the process wrote. @throws TRIBUTARY_ENGINE_CHECKPOINT_FAILED when it did not end well. */
function outputOf(worker: ChildProcess): Promise<string> {
  let output = '';
  let words = '';
  worker.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  worker.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS_CHARACTERS_MAX);
  });
  return new Promise((resolve, reject) => {
    const fail = (how: string): void => {
      const reason = words.trim() === '' ? how : words.trim();
      reject(new TributaryError('TRIBUTARY_ENGINE_CHECKPOINT_FAILED', { reason }));
    };
    worker.on('error', ({ message }) => fail(message));
    worker.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else fail(signal ?? `code ${code}`);
    });
  });
}
