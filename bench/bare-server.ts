/**
 * What look-ups are held against: a server in a process of its own that answers every question with the same bytes, as
 * long as ours, through the same library. What it takes, the network, the machine and the asking client take.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cpuMicrosOf } from './processor-time.ts';

const PROGRAM = fileURLToPath(new URL('./bare-server-process.js', import.meta.url));

export class BareServer {
  /** It asks for none. */
  readonly adminKey = 'none';
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
  }

  /** Resolves when it listens, on the loopback. */
  static open(): Promise<BareServer> {
    const child = fork(PROGRAM, { execArgv: [] });
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
