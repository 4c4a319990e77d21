/** What a workload is: a named measurement that reports figures. */
import type { Figure } from './report.ts';
import type { Scratch } from './scratch.ts';

export interface BenchOptions {
  /** Events of one round; undefined for the workload's own default. */
  readonly events: number | undefined;
  /** Identifiers to be reached; undefined for the workload's own default. */
  readonly identifiers: number | undefined;
  /** How long each repeated query runs. */
  readonly seconds: number;
  readonly seed: number;
  /** Ours and the peer in turn, so often; figures are medians over the rounds. */
  readonly rounds: number;
  /** Whether engines from bench/peers run too. */
  readonly peers: boolean;
}

export interface WorkloadContext {
  readonly options: BenchOptions;
  readonly scratch: Scratch;
  /** Aborted by the first signal, for workloads that stop in order. */
  readonly stopping: AbortSignal;
  report(figure: Omit<Figure, 'workload'>): void;
  /** A line for people who wait. */
  progress(text: string): void;
}

export interface Workload {
  readonly name: string;
  readonly summary: string;
  /** It ends soon after `stopping`, with what it has measured; others are ended at once. */
  readonly stopsInOrder?: true;
  /** Its process stands for other machines: it runs in one of its own (client-process.ts). */
  readonly isClient?: true;
  run(context: WorkloadContext): Promise<void>;
}

/** The unit of every rate. */
export const EVENTS_PER_SECOND = { unit: 'events/s', higherIsBetter: true } as const;

export function perSecond(events: number, elapsedMs: number): number {
  return (events / elapsedMs) * 1000;
}
