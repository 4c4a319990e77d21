/**
 * What answers over the network are held against: a server in a process of its own, through the same library, that does
 * the least that must be done. What it takes, the network, the machine and the asking client take.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cpuMicrosOf } from './processor-time.ts';

export class BareServer {
  /** It asks for none. */
  readonly adminKey = 'none';
  readonly writeKey = 'none';
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
  }

  /** Answers every question with the same bytes, as long as ours. Resolves when it listens, on the loopback. */
  static openConstant(): Promise<BareServer> {
    return BareServer.#open('./bare-server-process.js', []);
  }

  /** Appends what comes over WebSocket to a file at `path`, syncs it, and acknowledges it. */
  static openLog(path: string): Promise<BareServer> {
    return BareServer.#open('./bare-log-process.js', [path]);
  }

  static #open(program: string, args: readonly string[]): Promise<BareServer> {
    const child = fork(fileURLToPath(new URL(program, import.meta.url)), args, { execArgv: [] });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the bare server ended: exit code ${code}`)));
      child.once('message', (port) => resolve(new BareServer(child, Number(port))));
    });
  }

  /** Processor time so far, user and system. */
  get cpuMicros(): number {
    return cpuMicrosOf(this.#process.pid!);
  }

  /** It ends with its channel. */
  close(): void {
    this.#process.disconnect();
  }
}
