/**
 * Rewrites data files in a process of its own for each request, so that its memory, its processor time and
 * its crashes are nobody else's.
 *
 * - The process is at the lowest priority from before its first thread on; the kernel derives the priority
 *   of its disk accesses from that (best effort, the last of eight levels).
 * - It has RLIMIT_DATA, an empty environment, and DuckDB on one thread.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import type { FileRewriter, RewriteRequest, RewrittenFile } from '../storage/lake/file-rewriter.ts';
import type { RewriteLimits } from './rewrite-files.ts';
import { decodeRewritten, type RewriteOrder } from './rewrite-protocol.ts';

export interface RewriteProcessOptions extends RewriteLimits {
  /** RLIMIT_DATA, bytes: DuckDB's memory, the JavaScript heap, thread stacks. */
  readonly dataBytesMax: number;
}

const PROGRAM = fileURLToPath(new URL('./rewrite-worker.js', import.meta.url));
const HEAP_MEBIBYTES_MAX = 128;
const PRIORITY_LOWEST = 19;
const LAST_WORDS_CHARACTERS_MAX = 500;

export class RewriteProcess implements FileRewriter {
  readonly #options: RewriteProcessOptions;
  #running: { readonly worker: ChildProcess; readonly ended: Promise<unknown> } | undefined;
  #isClosed = false;

  constructor(options: RewriteProcessOptions) {
    this.#options = options;
  }

  /** The process that works, for those who watch it; undefined while none does. */
  get processId(): number | undefined {
    return this.#running?.worker.pid;
  }

  async rewrite(request: RewriteRequest): Promise<RewrittenFile> {
    assert(this.#running === undefined, 'one request runs at a time');
    if (this.#isClosed) throw failure('the appliance is closing');
    const worker = start();
    const ended = endOf(worker);
    this.#running = { worker, ended };
    const { dataBytesMax, ...limits } = this.#options;
    const order: RewriteOrder = { request, limits, dataBytesMax };
    worker.stdin!.on('error', () => {}); // Its end tells.
    worker.stdin!.write(`${JSON.stringify(order)}\n`);
    try {
      const { answer, lastWords, how } = await ended;
      if (how !== 'code 0') throw failure(lastWords === '' ? how : lastWords);
      return decodeRewritten(answer);
    } finally {
      this.#running = undefined;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#running?.worker.kill('SIGKILL');
    await this.#running?.ended;
  }
}

function start(): ChildProcess {
  const worker = spawn(process.execPath, [`--max-old-space-size=${HEAP_MEBIBYTES_MAX}`, PROGRAM], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {},
  });
  try {
    if (worker.pid !== undefined) setPriority(worker.pid, PRIORITY_LOWEST);
  } catch {
    // It is gone already; its end tells.
  }
  return worker;
}

interface End {
  readonly answer: string;
  readonly lastWords: string;
  readonly how: string;
}

function endOf(worker: ChildProcess): Promise<End> {
  let answer = '';
  let words = '';
  worker.stdout!.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  worker.stderr!.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS_CHARACTERS_MAX);
  });
  return new Promise((resolve) => {
    const end = (how: string): void => {
      resolve({ answer, lastWords: words.trim().split('\n').at(-1) ?? '', how });
    };
    worker.on('error', ({ message }) => end(message));
    worker.on('close', (code, signal) => end(signal ?? `code ${code}`));
  });
}

function failure(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_LAKE_REWRITE_FAILED', { reason });
}
