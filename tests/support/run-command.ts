/** Runs a command of the program to its end, in an environment of its own. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../bin/tributary.js', import.meta.url));

export interface CommandRun {
  /** Null for one that had to be killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface CommandSettings {
  readonly environment?: NodeJS.ProcessEnv;
  /** Its standard input. */
  readonly input?: string;
  /** It is killed when it takes longer. */
  readonly milliseconds?: number;
}

export function runCommand(
  args: readonly string[],
  { environment = {}, input = '', milliseconds }: CommandSettings = {},
): Promise<CommandRun> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: environment,
    timeout: milliseconds,
    killSignal: 'SIGKILL',
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (bytes: Buffer) => {
      output[name] += bytes.toString('utf8');
    });
  }
  child.stdin.end(input);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...output })));
}
