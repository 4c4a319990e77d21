/**
 * The real `tributary serve` as a process of its own, for tests that need one: server, crash and interop
 * tests. Data lies in a temporary directory that outlives restarts and goes with `remove`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../bin/tributary.js', import.meta.url));
const READY_MS_MAX = 30_000;

export const WRITE_KEY = 'write-key-for-tests';
export const ADMIN_KEY = 'admin-key-for-tests';

export interface ApplianceSettings {
  /** More flags of `serve`. */
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** How long a start may take; half a minute unless given. */
  readonly readyMsMax?: number;
}

export interface SqlAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly unknown[])[];
}

export class ApplianceProcess {
  readonly directory: string;
  readonly port: number;
  readonly #settings: ApplianceSettings;
  #process: ChildProcess | undefined;
  #ended: Promise<number | null> = Promise.resolve(null);
  /** What it has printed, on both streams, since the last start. */
  output = '';

  private constructor(directory: string, port: number, settings: ApplianceSettings) {
    this.directory = directory;
    this.port = port;
    this.#settings = settings;
  }

  /** Starts one on a free port with new data, and waits until it is ready. */
  static async start(settings: ApplianceSettings = {}): Promise<ApplianceProcess> {
    const directory = mkdtempSync(join(tmpdir(), 'tributary-test-'));
    const appliance = new ApplianceProcess(directory, await freePort(), settings);
    try {
      await appliance.restart();
    } catch (error) {
      await appliance.remove();
      throw error;
    }
    return appliance;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get processId(): number {
    return this.#process?.pid ?? 0;
  }

  /** Starts it again over the same data, for once with other `flags`; the one before has ended. */
  async restart(flags: readonly string[] = this.#settings.flags ?? []): Promise<void> {
    this.output = '';
    const { environment = {} } = this.#settings;
    const started = spawn(
      process.execPath,
      [
        PROGRAM,
        'serve',
        '--data-dir',
        this.directory,
        '--listen',
        `127.0.0.1:${this.port}`,
        ...flags,
      ],
      {
        env: {
          PATH: process.env['PATH'],
          TRIBUTARY_BOOTSTRAP_WRITE_KEY: WRITE_KEY,
          TRIBUTARY_BOOTSTRAP_ADMIN_KEY: ADMIN_KEY,
          ...environment,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#process = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.output += bytes.toString('utf8');
      });
    }
    this.#ended = new Promise((resolve) => started.on('close', (code) => resolve(code)));
    await this.#ready();
  }

  /** Asks it to stop. @returns its exit code. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#process?.kill(signal);
    return this.#ended;
  }

  /** Ends it as a power cut would, but for what the kernel holds. */
  async kill(): Promise<void> {
    await this.stop('SIGKILL');
  }

  /** Stops it and removes its data. */
  async remove(): Promise<void> {
    await this.stop('SIGTERM');
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** POSTs JSON with the write key. */
  send(path: string, body: unknown): Promise<Response> {
    return fetch(this.url + path, {
      method: 'POST',
      headers: { Authorization: `Bearer ${WRITE_KEY}` },
      body: JSON.stringify(body),
    });
  }

  /** Runs a query. @throws Error with the body when it fails. */
  async sql(sql: string, params: readonly unknown[] = []): Promise<SqlAnswer> {
    const response = await fetch(`${this.url}/v1/sql`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${ADMIN_KEY}` },
      body: JSON.stringify({ sql, params }),
    });
    if (!response.ok) throw new Error(await response.text());
    const answer = (await response.json()) as SqlAnswer & { readonly error?: object };
    // A result that ends early says so in its last line: its rows are not all there are.
    if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
    return answer;
  }

  async #ready(): Promise<void> {
    const { readyMsMax = READY_MS_MAX } = this.#settings;
    const deadline = performance.now() + readyMsMax;
    const ended = this.#ended.then((code) => `ended with ${code}`);
    while (performance.now() < deadline) {
      const answer = fetch(`${this.url}/readyz`).then(
        (response) => (response.ok ? 'ready' : 'waiting'),
        () => 'waiting',
      );
      const state = await Promise.race([answer, ended]);
      if (state === 'ready') return;
      if (state !== 'waiting') throw new Error(`the appliance ${state}: ${this.output}`);
      await delay(20);
    }
    await this.kill();
    throw new Error(`the appliance was not ready in ${readyMsMax} ms: ${this.output}`);
  }
}

/** A port nobody listens on; a restart takes the same one again. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** Runs `tributary` with an admin key against the appliance at `url`. @returns exit code, output, errors. */
export async function runCommand(
  url: string,
  args: readonly string[],
  input = '',
): Promise<[number | null, string, string]> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { TRIBUTARY_URL: url, TRIBUTARY_KEY: ADMIN_KEY },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (bytes: Buffer) => {
      output[name] += bytes.toString('utf8');
    });
  }
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return [code, output.stdout, output.stderr];
}
