/**
 * The engines we are held against, each in a process of its own: its memory and threads do not disturb
 * ours, and a crash of it is only a failed request.
 *
 * They live in a package of their own beside this file, installed on first use, so that `npm ci` of the
 * appliance stays small.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
/** The package is not compiled: it lies in the sources, whether we run from there or from dist/. */
const packageDirectory = [join(here, 'peers'), join(here, '../../bench/peers')].find((path) =>
  existsSync(join(path, 'package.json')),
);

type Answer = { readonly id: number } & ({ readonly result: unknown } | { readonly error: string });

/** What loading a file took. */
export interface Insertion {
  readonly rows: number;
  readonly elapsedMs: number;
  /** Processor time of all threads, microseconds. */
  readonly cpuMicros: number;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class ClickHouse {
  static readonly peerName = 'ClickHouse';
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #requests = 0;

  private constructor(program: string) {
    this.#process = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#process.on('message', (answer) => this.#settle(answer as Answer));
    this.#process.on('error', (error) => this.#fail(error));
    this.#process.on('exit', (code, signal) => {
      this.#fail(new Error(`ClickHouse ended: ${signal ?? `exit code ${code}`}`));
    });
  }

  /** Whether it can be started without a download. */
  static isInstalled(): boolean {
    return (
      packageDirectory !== undefined && existsSync(join(packageDirectory, 'node_modules', 'chdb'))
    );
  }

  /** Starts it on `directory`, installing it first when this checkout has not got it yet. */
  static async open(directory: string, progress: (text: string) => void): Promise<ClickHouse> {
    const packagePath = await installPeers(progress);
    const peer = new ClickHouse(join(packagePath, 'clickhouse.mjs'));
    const { version } = (await peer.#request('open', directory)) as { version: string };
    progress(`ClickHouse ${version}`);
    return peer;
  }

  /** Loads an NDJSON file of events into a new table `events`. */
  async insert(path: string): Promise<Insertion> {
    return (await this.#request('insert', path)) as Insertion;
  }

  /** Runs a query again and again for `seconds`. */
  async query(sql: string, seconds: number): Promise<{ medianMs: number; rows: number }> {
    const result = await this.#request('query', { sql, seconds });
    return result as { medianMs: number; rows: number };
  }

  /** The rows of a query, as its JSONCompactEachRow writes them, 64-bit integers as strings. */
  async rows(sql: string): Promise<unknown[][]> {
    return (await this.#request('rows', sql)) as unknown[][];
  }

  /** Runs a statement that gives no rows. */
  async execute(sql: string): Promise<void> {
    await this.#request('execute', sql);
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    await this.#request('close', null);
    await gone;
  }

  #request(method: string, argument: unknown): Promise<unknown> {
    const id = this.#requests;
    this.#requests += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, method, argument });
    });
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(new Error(`ClickHouse: ${answer.error}`));
    else waiting?.resolve(answer.result);
  }
}

async function installPeers(progress: (text: string) => void): Promise<string> {
  if (packageDirectory === undefined) throw new Error('bench/peers is not in this installation');
  if (!existsSync(join(packageDirectory, 'node_modules', 'chdb'))) {
    progress('installing ClickHouse (chdb) in bench/peers, about half a gigabyte, once');
    // Not `npm ci`: it refuses a lock file without the binaries of other platforms, which are optional.
    await promisify(execFile)('npm', ['install', '--no-save'], { cwd: packageDirectory });
  }
  return packageDirectory;
}
