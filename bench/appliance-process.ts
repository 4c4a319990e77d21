/** The real appliance, as `tributary serve` in a process of its own, for workloads over the network. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { childrenCpuMicrosOf, cpuMicrosOf } from './processor-time.ts';

const PROGRAM = fileURLToPath(new URL('../bin/tributary.js', import.meta.url));
const WRITE_KEY = 'write-key-of-the-benchmark';
const ADMIN_KEY = 'admin-key-of-the-benchmark';
const LAST_WORDS_CHARACTERS_MAX = 2000;

export class ApplianceProcess {
  readonly writeKey = WRITE_KEY;
  readonly adminKey = ADMIN_KEY;
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #gone: Promise<void>;

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
    this.#gone = new Promise((resolve) => child.once('exit', () => resolve()));
  }

  /** Resolves when it takes batches. @throws Error with its last words when it ends before. */
  static open(dataDirectory: string, hotDirectory: string): Promise<ApplianceProcess> {
    const flags = ['--listen', '127.0.0.1:0', '--hot-bytes-max', '16GiB'];
    const child = spawn(
      process.execPath,
      [PROGRAM, 'serve', '--data-dir', dataDirectory, '--hot-dir', hotDirectory, ...flags],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          TRIBUTARY_BOOTSTRAP_WRITE_KEY: WRITE_KEY,
          TRIBUTARY_BOOTSTRAP_ADMIN_KEY: ADMIN_KEY,
        },
      },
    );
    // It must not outlive a benchmark that is interrupted.
    const kill = (): boolean => child.kill();
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    let lastWords = '';
    child.stderr.on('data', (bytes: Buffer) => {
      lastWords = (lastWords + bytes.toString('utf8')).slice(-LAST_WORDS_CHARACTERS_MAX);
    });
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => {
        reject(new Error(`the appliance ended: ${signal ?? `exit code ${code}`} ${lastWords}`));
      });
      createInterface({ input: child.stdout }).on('line', (line) => {
        const port = /^listening\s+http:\/\/.*:(\d+)$/.exec(line)?.[1];
        if (port !== undefined) resolve(new ApplianceProcess(child, Number(port)));
      });
    });
  }

  /** Processor time of all its threads so far, user and system. */
  get cpuMicros(): number {
    return cpuMicrosOf(this.#process.pid!);
  }

  /** The same, and that of its processes that have ended. */
  get cpuMicrosWithChildren(): number {
    return this.cpuMicros + childrenCpuMicrosOf(this.#process.pid!);
  }

  /** Puts what is hot into files: its memory stays, for what comes then. @throws Error for a refusal. */
  async flush(): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/v1/lake/tasks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.adminKey}` },
      body: JSON.stringify({ task: 'flush' }),
    });
    if (!answer.ok) throw new Error(`no flush: ${answer.status} ${await answer.text()}`);
    await answer.body?.cancel();
  }

  /** Stops it in order. */
  async close(): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.#gone;
  }
}
