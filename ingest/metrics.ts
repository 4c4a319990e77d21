/**
 * The appliance's metrics for Prometheus; the only module that imports prom-client.
 *
 * Hot paths count in plain numbers of their own. A metric here is a name and a function that reads such
 * a number when it is scraped, so that counting costs an addition and nothing else.
 *
 * Names: `tributary_<area>_<what>_<unit>`, base units, `_total` for what only grows. Labels are bounded
 * sets of ours, never values that a client chooses.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** One figure and the labels it stands under. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Metrics {
  readonly #registry = new Registry();

  /** Metrics of the process itself (memory, CPU, event-loop lag) are there from the start. */
  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** A number that only grows while the process lives. */
  counter(name: string, help: string, read: () => number): void {
    this.counters(name, help, [], () => [{ labels: {}, value: read() }]);
  }

  /** Several such numbers, told apart by labels. */
  counters(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => readonly Sample[],
  ): void {
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.inc({ ...labels }, value);
      },
    });
  }

  /** A number that goes up and down. */
  gauge(name: string, help: string, read: () => number): void {
    this.gauges(name, help, [], () => [{ labels: {}, value: read() }]);
  }

  /** Several such numbers, told apart by labels. */
  gauges(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => readonly Sample[],
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.set({ ...labels }, value);
      },
    });
  }

  /** All metrics in Prometheus' text format. */
  expose(): Promise<string> {
    return this.#registry.metrics();
  }
}
