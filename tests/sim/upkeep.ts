/**
 * What is done beside the serving, at moments that the seed chooses: rows are flushed, files compacted, old events
 * dropped, erased ones taken out, old snapshots forgotten, backups made.
 */
import { DAY_MICROS, HOUR_MICROS, SECOND_MICROS } from '../../base/units.ts';
import { RETENTION_DAYS, type SimulatedAppliance } from './appliance.ts';
import { type Backup, backUp } from './backups.ts';
import type { Dice } from './dice.ts';
import type { Scheduler } from './scheduler.ts';
import type { Tally } from './tally.ts';
import type { Witness } from './witness.ts';

const MINUTE_MICROS = 60 * SECOND_MICROS;
const TIMES_MAX = 4;
const TASKS = [
  'flush',
  'flush',
  'flush',
  'compact',
  'compact',
  'drop',
  'tidy',
  'erase',
  'back up',
] as const;

export type UpkeepTask = (typeof TASKS)[number];

export interface UpkeepOptions {
  readonly appliance: SimulatedAppliance;
  readonly witness: Witness;
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly tally: Tally;
  readonly backsUp: boolean;
  readonly onBackup: (backup: Backup) => void;
  /** For the trace. */
  readonly note: (text: string) => void;
  readonly onFailure: (what: string, error: unknown) => void;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  #isBackingUp = false;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /** Does a few things, one after another. */
  async run(): Promise<void> {
    const { dice } = this.#options;
    const times = dice.below(TIMES_MAX + 1);
    for (let time = 0; time < times; time += 1) await this.attempt(dice.pick(TASKS));
  }

  /** Does one thing when its turn comes. */
  async attempt(task: UpkeepTask): Promise<void> {
    const { note, onFailure, scheduler } = this.#options;
    await scheduler.wish(task, '');
    try {
      await this.#do(task);
      note(`${task} is done`);
    } catch (error) {
      onFailure(`the task ${task}`, error);
    }
  }

  async #do(task: UpkeepTask): Promise<void> {
    const { appliance, dice, scheduler, tally } = this.#options;
    const { maintenance, open } = appliance;
    if (task === 'flush') return open.flusher.flush();
    if (task === 'drop') return this.#dropOld();
    if (task === 'erase') return this.#rewriteErased();
    if (task === 'back up') return this.#backUp();
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

  async #backUp(): Promise<void> {
    const { appliance, backsUp, scheduler, onBackup, tally, witness } = this.#options;
    // One at a time writes to a directory of backups.
    if (!backsUp || this.#isBackingUp) return;
    this.#isBackingUp = true;
    try {
      onBackup(await backUp(appliance, witness, scheduler));
    } finally {
      this.#isBackingUp = false;
    }
    tally.countFault('backup');
  }

  /** Takes what was erased out of cold files. The record that says so is noted when it is handed over. */
  async #rewriteErased(): Promise<void> {
    const { appliance, scheduler, tally, witness } = this.#options;
    let index = -1;
    const erased = await appliance.rewriteErased(() => {
      index = witness.entries.length;
      witness.entries.push({ kind: 'progress' });
      return scheduler.nowMicros();
    });
    if (erased === undefined || erased.erasures === 0) return;
    witness.durableCount = Math.max(witness.durableCount, index + 1);
    tally.countFault('erasure taken out of files');
    tally.countFault('erased row taken out of a file', erased.rows);
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
