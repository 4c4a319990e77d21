/**
 * What the appliance does by itself while it serves, at moments that the seed chooses: rows are flushed, files
 * compacted, old events dropped, old snapshots forgotten.
 */
import { DAY_MICROS, HOUR_MICROS, SECOND_MICROS } from '../../base/units.ts';
import { RETENTION_DAYS, type SimulatedAppliance } from './appliance.ts';
import type { Dice } from './dice.ts';
import type { Scheduler } from './scheduler.ts';
import type { Tally } from './tally.ts';
import type { Witness } from './witness.ts';

const MINUTE_MICROS = 60 * SECOND_MICROS;
const TIMES_MAX = 8;
const TASKS = ['flush', 'flush', 'flush', 'compact', 'compact', 'drop', 'tidy'] as const;

export interface UpkeepOptions {
  readonly appliance: SimulatedAppliance;
  readonly witness: Witness;
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly tally: Tally;
  /** For the trace. */
  readonly note: (text: string) => void;
  readonly onFailure: (what: string, error: unknown) => void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Does a few things, one after another. */
  async run(): Promise<void> {
    const { dice, note, onFailure, scheduler } = this.#options;
    const times = dice.below(TIMES_MAX + 1);
    for (let time = 0; time < times; time += 1) {
      const task = dice.pick(TASKS);
      await scheduler.wish(task, '');
      try {
        await this.#do(task);
        note(`${task} is done`);
      } catch (error) {
        onFailure(`the task ${task}`, error);
      }
    }
  }

  async #do(task: (typeof TASKS)[number]): Promise<void> {
    const { appliance, dice, scheduler, tally } = this.#options;
    const { maintenance, open } = appliance;
    if (task === 'flush') return open.flusher.flush();
    if (task === 'drop') return this.#dropOld();
    if (task === 'tidy') {
      // Younger snapshots stay.
      if (dice.chance(0.7)) scheduler.advance(3 * HOUR_MICROS);
      const { expiredSnapshots } = await maintenance.tidy(open);
      tally.countFault('snapshot forgotten', expiredSnapshots);
      return;
    }
    // Files of a day that is over are sorted.
    if (dice.chance(0.5)) scheduler.advance(DAY_MICROS);
    for (const table of appliance.tables) {
      if ((await maintenance.compact(open, table)) !== undefined) tally.countFault('compaction');
    }
  }

  /** Often after days in which nothing was sent. */
  async #dropOld(): Promise<void> {
    const { appliance, dice, scheduler, tally, witness } = this.#options;
    if (dice.chance(0.7)) scheduler.advance(dice.between(1, 3) * DAY_MICROS);
    // The clock goes on until it is read.
    const today = Math.floor((scheduler.nowMicros() + MINUTE_MICROS) / DAY_MICROS);
    witness.keptFromDay = Math.max(witness.keptFromDay, today - RETENTION_DAYS);
    const { events } = await appliance.maintenance.dropOld(appliance.open);
    if (events!.files > 0) tally.countFault('retention');
  }
}
