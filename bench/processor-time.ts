/** What other processes take of the processors. */
import { readFileSync } from 'node:fs';

/** USER_HZ, in which Linux tells processor time, is 100 on every architecture we run on. */
const TICK_MICROS = 10_000;

/** Processor time of all threads of a process so far, user and system, microseconds. */
export function cpuMicrosOf(processId: number): number {
  const stat = readFileSync(`/proc/${processId}/stat`, 'latin1');
  // The name of the program, in parentheses, may hold spaces; proc(5) counts it as field 2.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [userTicks, systemTicks] = [Number(fields[14 - 3]), Number(fields[15 - 3])];
  return (userTicks + systemTicks) * TICK_MICROS;
}
