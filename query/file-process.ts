/**
 * Work on files of the lake in a process of its own, so that its memory, its processor time and its crashes
 * are nobody else's. It starts with the first order and ends when it has had none for a while.
 *
 * - The process is nicer than the write path from before its first thread on; the kernel derives the
 *   priority of its disk accesses from that.
 * - It has RLIMIT_DATA, an empty environment, and DuckDB with limited memory and threads.
 *
 * Failure: a process that ends takes its orders with it, each with an error; the next order starts another.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  decodeLine,
  encodeLine,
  type FileAnswer,
  type FileProcessLimits,
  type FileTask,
  type FileWork,
  splitLines,
} from './file-protocol.ts';

export interface FileProcessOptions {
  readonly limits: FileProcessLimits;
  /** 0 to 19, the lowest priority. */
  readonly niceness: number;
  /** How long it is kept without an order, milliseconds. */
  readonly idleMsMax: number;
  /** The error of an order that failed. */
  readonly failure: (reason: string) => Error;
}

interface Waiter {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

interface Running {
  readonly worker: ChildProcess;
  readonly waiters: Waiter[];
  readonly ended: Promise<void>;
  idle: NodeJS.Timeout | undefined;
}

const PROGRAM = fileURLToPath(new URL('./file-worker.js', import.meta.url));
const HEAP_MEBIBYTES_MAX = 128;
const LAST_WORDS_CHARACTERS_MAX = 500;

export class FileProcess {
  readonly #options: FileProcessOptions;
  #running: Running | undefined;
  #isClosed = false;

  constructor(options: FileProcessOptions) {
    this.#options = options;
  }

  /** The process, for those who watch it; undefined while there is none. */
  get processId(): number | undefined {
    return this.#running?.worker.pid;
  }

  /** Does `request` after those before it. @throws the error of the options. */
  order<Task extends FileTask>(
    task: Task,
    request: FileWork[Task]['request'],
  ): Promise<FileWork[Task]['result']> {
    if (this.#isClosed) return Promise.reject(this.#options.failure('the appliance is closing'));
    this.#running ??= this.#start();
    const { worker, waiters, idle } = this.#running;
    clearTimeout(idle);
    worker.stdin!.write(encodeLine({ task, request }));
    return new Promise((resolve, reject) => {
      waiters.push({ resolve: resolve as Waiter['resolve'], reject });
    });
  }

  /** Ends the process; orders under way fail. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const running = this.#running;
    if (running === undefined) return;
    clearTimeout(running.idle);
    running.worker.kill('SIGKILL');
    await running.ended;
  }

  #start(): Running {
    const { limits, niceness, failure } = this.#options;
    const heap = `--max-old-space-size=${HEAP_MEBIBYTES_MAX}`;
    const worker = spawn(process.execPath, [heap, PROGRAM], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {},
    });
    try {
      if (worker.pid !== undefined) setPriority(worker.pid, niceness);
    } catch {
      // It is gone already; its end tells.
    }
    const ended = endOf(worker).then((reason) => {
      if (this.#running === running) this.#running = undefined;
      clearTimeout(running.idle);
      for (const waiter of waiters.splice(0)) waiter.reject(failure(reason));
    });
    const waiters: Waiter[] = [];
    const running: Running = { worker, waiters, ended, idle: undefined };
    worker.stdin!.on('error', () => {}); // Its end tells.
    worker.stdin!.write(encodeLine(limits));
    const take = splitLines((line) => this.#settle(running, decodeLine(line) as FileAnswer));
    worker.stdout!.setEncoding('utf8').on('data', take);
    return running;
  }

  #settle(running: Running, answer: FileAnswer): void {
    const waiter = running.waiters.shift();
    if ('result' in answer) waiter?.resolve(answer.result);
    else waiter?.reject(this.#options.failure(answer.failure));
    if (running.waiters.length > 0) return;
    running.idle = setTimeout(() => {
      this.#running = undefined;
      running.worker.stdin!.end();
    }, this.#options.idleMsMax);
  }
}

/** @returns why the process has ended: its last words, or how it did. */
function endOf(worker: ChildProcess): Promise<string> {
  let words = '';
  worker.stderr!.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS_CHARACTERS_MAX);
  });
  return new Promise((resolve) => {
    worker.on('error', ({ message }) => resolve(message));
    worker.on('close', (code, signal) => {
      resolve(words.trim().split('\n').at(-1) || (signal ?? `code ${code}`));
    });
  });
}
