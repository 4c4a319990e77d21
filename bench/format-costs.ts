/** What an event costs by its format: the figures of ingest-formats and import-formats, of which one is the peer. */
import { median } from './statistics.ts';
import type { WorkloadContext } from './workload.ts';

export class FormatCosts {
  readonly #format: string;
  readonly #unit: string;
  readonly #cpu: number[] = [];
  readonly #elapsed: number[] = [];

  constructor(format: string, unit: 'ns' | 'µs') {
    this.#format = format;
    this.#unit = unit;
  }

  /** One measurement: processor time and time an event. */
  add(cpu: number, elapsed: number): void {
    this.#cpu.push(cpu);
    this.#elapsed.push(elapsed);
  }

  /** The processor time of the last measurement, for people who wait. */
  toString(): string {
    return `${this.#format} ${this.#cpu.at(-1)?.toFixed(2)}`;
  }

  /** Reports the medians. */
  report(report: WorkloadContext['report'], peer: FormatCosts): void {
    const shape = { unit: this.#unit, higherIsBetter: false };
    const against = (own: readonly number[], others: readonly number[]) => ({
      value: median(own),
      ...shape,
      peer: { name: peer.#format, value: median(others) },
    });
    report({ metric: `${this.#format}_cpu_per_event`, ...against(this.#cpu, peer.#cpu) });
    report({ metric: `${this.#format}_per_event`, ...against(this.#elapsed, peer.#elapsed) });
  }
}
