/** What other processes take of the processors. */
import { readFileSync } from 'node:fs';

/** USER_HZ, in which Linux tells processor time, is 100 on every architecture we run on. */
const TICK_MICROS = 10_000;

/** Processor time of all threads of a process so far, user and system, microseconds. */
export function cpuMicrosOf(processId: number): number {
  const [userTicks, systemTicks] = [ticksOf(processId, 14), ticksOf(processId, 15)];
  return (userTicks + systemTicks) * TICK_MICROS;
}

/** That of its processes that have ended and were waited for. */
export function childrenCpuMicrosOf(processId: number): number {
  return (ticksOf(processId, 16) + ticksOf(processId, 17)) * TICK_MICROS;
}

/** A field of proc(5)'s stat, by its number there. */
function ticksOf(processId: number, field: number): number {
  const stat = readFileSync(`/proc/${processId}/stat`, 'latin1');
  // The name of the program, in parentheses, may hold spaces; proc(5) counts it as field 2.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[field - 3]);
}
