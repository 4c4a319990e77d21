/**
 * Looks after the lake of one tenant, once an hour: forgets old snapshots, collects orphans, empties the
 * trash (storage/lake/upkeep.ts says what and at which age). It uses the very tables that are flushed
 * to, so that commits and upkeep wait for one another and pinned snapshots stay.
 *
 * Failure: logged; the next round does what this one did not.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { LakeTable } from '../storage/lake/lake-table.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import { tidyLake } from '../storage/lake/upkeep.ts';

export interface LakeUpkeepOptions {
  readonly tenantId: string;
  readonly store: ObjectStore;
  readonly tables: () => readonly LakeTable[];
  readonly clock: Clock;
  readonly logger: Logger;
}

const PERIOD_MS = 3_600_000;

export class LakeUpkeep {
  readonly #options: LakeUpkeepOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: LakeUpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.#round().finally(() => {
        this.#running = undefined;
      });
    }, PERIOD_MS);
    this.#timer.unref();
  }

  /** Begins no more rounds, and waits for the one that runs. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #round(): Promise<void> {
    const { tenantId: tenant, store, tables, clock, logger } = this.#options;
    try {
      const report = await tidyLake(store, tenant, tables(), clock.nowMicros());
      logger.log('info', 'the lake was looked after', { tenant, ...report });
    } catch (error) {
      logger.log('error', 'the lake could not be looked after', { tenant, error });
    }
  }
}
