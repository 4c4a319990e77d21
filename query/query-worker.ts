/**
 * One worker process, as the pool sees it: starts it, gives it a query, passes its bytes on, ends it.
 *
 * - `starting`, then `idle` and `busy` in turn; `ending` once killed, `gone` when the process is.
 * - The worker's environment is empty: it needs none of the appliance's secrets.
 * - Pausing stops reading the socket; the kernel's buffer fills and the worker waits.
 *
 * Failure: when the process ends, `onGone` is called once, with why; its query is the caller's to fail.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { assert } from '../base/assert.ts';
import type { Failure } from './failures.ts';
import {
  decodeJson,
  type ExecuteRequest,
  encodeJsonFrame,
  FRAME,
  FrameReader,
  type QueryOutcome,
  type WorkerSettings,
} from './worker-protocol.ts';

/** What happens to the query a worker runs. */
export interface QueryListener {
  began(): void;
  data(bytes: Buffer): void;
  finished(outcome: QueryOutcome): void;
}

export interface WorkerListener {
  ready(worker: QueryWorker): void;
  /** @param reason for the log and the error: how the process ended. */
  gone(worker: QueryWorker, reason: string): void;
}

const WORKER_PROGRAM = fileURLToPath(new URL('./worker.js', import.meta.url));
const HEAP_MEBIBYTES_MAX = 512;
const LAST_WORDS_CHARACTERS_MAX = 2000;

export class QueryWorker {
  readonly #process: ChildProcess;
  readonly #socket: Duplex;
  readonly #listener: WorkerListener;
  #query: QueryListener | null = null;
  #state: 'starting' | 'idle' | 'busy' | 'ending' | 'gone' = 'starting';
  #wasReady = false;
  #lastWords = '';

  constructor(settings: WorkerSettings, listener: WorkerListener) {
    this.#listener = listener;
    this.#process = spawn(
      process.execPath,
      [`--max-old-space-size=${HEAP_MEBIBYTES_MAX}`, WORKER_PROGRAM],
      { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], env: {} },
    );
    const socket = this.#process.stdio[3];
    assert(socket instanceof Duplex, 'fd 3 of a worker is a socket');
    this.#socket = socket;
    const reader = new FrameReader((kind, payload) => this.#onFrame(kind, payload));
    socket.on('data', (bytes: Buffer) => {
      if (reader.push(bytes) !== '') this.kill();
    });
    socket.on('error', () => this.kill());
    this.#process.stderr?.on('data', (bytes: Buffer) => {
      this.#lastWords = (this.#lastWords + bytes.toString('utf8')).slice(
        -LAST_WORDS_CHARACTERS_MAX,
      );
    });
    this.#process.on('error', (error) => this.#leave(error.message));
    this.#process.on('exit', () => this.resume()); // `close` waits until the pipes are read out
    this.#process.on('close', (code, signal) => this.#leave(signal ?? `exit code ${code}`));
    socket.write(encodeJsonFrame(FRAME.settings, settings));
  }

  get processId(): number {
    return this.#process.pid ?? 0;
  }

  /** Whether it ever took queries; one that did not has failed to start. */
  get wasReady(): boolean {
    return this.#wasReady;
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** What the process wrote to standard error at its end; for the log. */
  get lastWords(): string {
    return this.#lastWords;
  }

  /** Starts a query; the worker is idle. */
  execute(request: ExecuteRequest, query: QueryListener): void {
    assert(this.#state === 'idle', 'a query goes to an idle worker');
    this.#state = 'busy';
    this.#query = query;
    this.#socket.write(encodeJsonFrame(FRAME.execute, request));
  }

  /** Asks the running query to end with `reason` as its failure; it does so soon, or never. */
  cancel(reason: Failure): void {
    if (this.#state !== 'busy') return;
    this.#socket.write(encodeJsonFrame(FRAME.cancel, reason));
    this.resume();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the process now. `gone` follows. */
  kill(): void {
    if (this.#state === 'gone') return;
    this.#state = 'ending';
    this.#process.kill('SIGKILL');
  }

  #onFrame(kind: number, payload: Buffer): void {
    if (kind === FRAME.ready && this.#state === 'starting') {
      this.#state = 'idle';
      this.#wasReady = true;
      this.#listener.ready(this);
      return;
    }
    const query = this.#state === 'busy' ? this.#query : null;
    if (query === null) return; // what a killed worker still had in the socket
    if (kind === FRAME.began) query.began();
    else if (kind === FRAME.data) query.data(payload);
    else if (kind === FRAME.finished) {
      this.#query = null;
      this.#state = 'idle';
      this.resume();
      query.finished(decodeJson<QueryOutcome>(payload));
    } else this.kill();
  }

  #leave(reason: string): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#query = null;
    this.#listener.gone(this, reason);
  }
}
