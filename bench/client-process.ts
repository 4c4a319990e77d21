/**
 * The process of a workload that asks an appliance over the network, which stands for other machines. V8's helper
 * threads would collect its garbage on the processors that the appliance has, for milliseconds at a time: here the
 * asking thread collects it, and is late by that (identity-asking.ts tells).
 */
import { spawn } from 'node:child_process';

const FLAG = '--single-threaded-gc';

/** Whether this process is one; V8 takes the flag at a start only. */
export const isClientProcess = process.execArgv.includes(FLAG);

/**
 * Runs the program once more, in a process of that kind, with what it writes and the signals of the terminal as they are.
 * @param args of the program. @returns its exit code.
 */
export function runInClientProcess(program: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, FLAG, program, ...args], {
    stdio: 'inherit',
  });
  // It must not outlive a benchmark that is interrupted.
  const end = (): boolean => child.kill();
  process.once('exit', end);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      process.off('exit', end);
      resolve(code ?? 1);
    });
  });
}
