/** What a run of the simulation came to: counts, and the violations found. */

export interface Violation {
  readonly seed: number;
  /** Life, crash and recovery it was found in. */
  readonly where: string;
  readonly what: string;
  /** What led to it, oldest first. */
  readonly trace: readonly string[];
}

export class Tally {
  seeds = 0;
  lives = 0;
  batches = 0;
  events = 0;
  acknowledged = 0;
  /** Moments at which the machine was made to crash; some leave the same disk as another. */
  crashPoints = 0;
  boots = 0;
  readonly faults = new Map<string, number>();
  readonly violations: Violation[] = [];

  countFault(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  /** A few lines for people. */
  describe(): string {
    const number = (count: number): string => count.toLocaleString('en');
    const kinds = [...this.faults].sort(([a], [b]) => (a < b ? -1 : 1));
    const faults = kinds.map(([kind, count]) => `${kind} ${number(count)}`).join(', ');
    return [
      `${number(this.seeds)} seeds, ${number(this.lives)} lives, ${number(this.batches)} batches ` +
        `(${number(this.acknowledged)} acknowledged), ${number(this.events)} events`,
      `${number(this.crashPoints)} crash points, ${number(this.boots)} boots, ` +
        `${number(this.violations.length)} violations`,
      `faults: ${faults}`,
    ].join('\n');
  }
}
