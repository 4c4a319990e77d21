/**
 * The process of a workload that asks an appliance over the network, which stands for other machines. V8's helper
 * threads would collect its garbage on the processors that the appliance has, for milliseconds at a time: here the
 * asking thread collects it, and is late by that (identity-asking.ts tells). Where latencies are measured the thread goes
 * before the appliance's, if the system allows it.
 */
import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { native } from '../native/index.ts';

const FLAG = '--single-threaded-gc';
const ASKING_NICENESS = -10;
const TURN_MICROS = 300;

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

/**
 * Lets this thread, and none that it starts, go before the appliance's, as another machine would.
 * @returns whether it may: it takes root or CAP_SYS_NICE.
 */
export function goFirst(): boolean {
  native.shortenTurns(TURN_MICROS);
  try {
    setPriority(ASKING_NICENESS);
    return true;
  } catch {
    return false;
  }
}

/** Takes back what {@link goFirst} did. */
export function goInTurn(): void {
  native.shortenTurns(0);
  setPriority(0);
}
