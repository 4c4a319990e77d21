/** What a run of the simulation came to: counts, and the violations found. */

export interface Violation {
  readonly seed: number;
  /** Life, crash and recovery it was found in. */
  readonly where: string;
  readonly what: string;
  /** What led to it, oldest first. */
  readonly trace: readonly string[];
}

/** A tally as plain data, on its way from one process to another. */
export interface TallyReport {
  readonly counts: Tally['counts'];
  readonly faults: readonly (readonly [string, number])[];
  readonly violations: readonly Violation[];
}

export class Tally {
  readonly counts = {
    seeds: 0,
    lives: 0,
    batches: 0,
    events: 0,
    acknowledged: 0,
    /** Moments at which the machine was made to crash; some leave the same disk as another. */
    crashPoints: 0,
    boots: 0,
  };
  readonly faults = new Map<string, number>();
  readonly violations: Violation[] = [];

  count(what: keyof Tally['counts'], times = 1): void {
    this.counts[what] += times;
  }

  countFault(kind: string, times = 1): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + times);
  }

  /** Adds what another run came to. */
  add({ counts, faults, violations }: TallyReport): void {
    for (const [what, times] of Object.entries(counts)) {
      this.count(what as keyof Tally['counts'], times);
    }
    for (const [kind, times] of faults) this.countFault(kind, times);
    this.violations.push(...violations);
  }

  report(): TallyReport {
    const { counts, faults, violations } = this;
    return { counts, faults: [...faults], violations };
  }

  /** A few lines for people. */
  describe(): string {
    const { seeds, lives, batches, acknowledged, events, crashPoints, boots } = this.counts;
    const number = (count: number): string => count.toLocaleString('en');
    const kinds = [...this.faults].sort(([a], [b]) => (a < b ? -1 : 1));
    const faults = kinds.map(([kind, count]) => `${kind} ${number(count)}`).join(', ');
    return [
      `${number(seeds)} seeds, ${number(lives)} lives, ${number(batches)} batches ` +
        `(${number(acknowledged)} acknowledged), ${number(events)} events`,
      `${number(crashPoints)} crash points, ${number(boots)} boots, ` +
        `${number(this.violations.length)} violations`,
      `of these: ${faults}`,
    ].join('\n');
  }
}
