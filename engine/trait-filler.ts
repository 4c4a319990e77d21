/**
 * Has the values kept that were said before their keys were: those of a trait that is declared late, and of all
 * where nothing was kept before. They are read from the tables, a range of anchors at a time, and become records
 * of the log (trait-record.ts); once all of them are, the keys are complete, and statements read no
 * events for them any more.
 *
 * - What comes meanwhile is folded beside it: values may be kept in any order, and the newest stays.
 * - Of an anchor that was erased since nothing is logged (TenantCommands.keepTraits).
 * - When the declarations change it begins again for what is missing then.
 *
 * Failure: logged, and begun again after a growing pause. Until then the traits are read from events.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { MIB } from '../base/units.ts';
import type { SaidValue } from '../identity/trait-store.ts';
import type { Tenant } from './tenant.ts';
import type { TraitsCommand } from './trait-record.ts';

/**
 * The newest values that identify calls of these anchors said of keys, by anchor and key.
 * Rejects with TRIBUTARY_QUERY_RESULT_TOO_LARGE when they had better be asked for in smaller ranges.
 */
export type ReadSaidValues = (
  tenantId: string,
  keys: readonly string[],
  firstAnchor: number,
  lastAnchor: number,
) => Promise<readonly SaidValue[]>;

export interface TraitFillerOptions {
  readonly tenant: Tenant;
  readonly read: ReadSaidValues;
  readonly clock: Clock;
  readonly logger: Logger;
}

const POLL_MS = 1000;
const RETRY_MS = 10_000;
const RETRY_MS_MAX = 600_000;
/** Asked for at once. */
const ANCHORS_MAX = 50_000;
/** Of one record of the log, about. */
const RECORD_BYTES = MIB;
const VALUE_OVERHEAD_BYTES = 48;

export class TraitFiller {
  readonly #options: TraitFillerOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #pausedUntilMs = 0;
  #failuresInRow = 0;
  #isFailureTold = false;
  #isClosed = false;

  constructor(options: TraitFillerOptions) {
    this.#options = options;
  }

  /** From now on fills what is missing. */
  start(): void {
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
    this.#timer.unref();
  }

  /** Fills what is missing now, unless that is under way; tells whether nothing is missing any more. */
  async fill(): Promise<boolean> {
    this.#running ??= this.#fill().finally(() => {
      this.#running = undefined;
    });
    await this.#running;
    return this.#options.tenant.missingTraitKeys.length === 0;
  }

  /** What is under way comes to nothing, at the latest when what it reads is closed. Idempotent. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  #poll(): void {
    const { tenant, clock, logger } = this.#options;
    const { failure } = tenant.traits;
    if (failure !== '' && !this.#isFailureTold) {
      this.#isFailureTold = true;
      const fields = { tenant: tenant.id, reason: failure };
      logger.log('warn', 'traits are not kept any more and are read from events', fields);
    }
    if (clock.monotonicMs() < this.#pausedUntilMs || tenant.missingTraitKeys.length === 0) return;
    void this.fill();
  }

  async #fill(): Promise<void> {
    const { tenant, clock, logger } = this.#options;
    const keys = tenant.missingTraitKeys;
    if (keys.length === 0) return;
    const startMs = clock.monotonicMs();
    try {
      const values = await this.#keepAll(keys, tenant.declarations.version);
      this.#failuresInRow = 0;
      const fields = { tenant: tenant.id, keys, values, elapsedMs: clock.monotonicMs() - startMs };
      logger.log('info', 'what was said of declared traits is kept', fields);
    } catch (error) {
      const pauseMs = Math.min(RETRY_MS * 2 ** this.#failuresInRow, RETRY_MS_MAX);
      this.#failuresInRow += 1;
      this.#pausedUntilMs = clock.monotonicMs() + pauseMs;
      if (this.#isClosed) return;
      const fields = { tenant: tenant.id, keys, error };
      logger.log('warn', 'what was said of declared traits could not be kept', fields);
    }
  }

  /** @returns how many values. */
  async #keepAll(keys: readonly string[], version: number): Promise<number> {
    const { tenant, read } = this.#options;
    const last = tenant.identity.profiles.anchorCount;
    let anchors = ANCHORS_MAX;
    let count = 0;
    for (let first = 1; first <= last && this.#isWanted(version); ) {
      const end = Math.min(first + anchors - 1, last);
      try {
        const values = await read(tenant.id, keys, first, end);
        for (const some of slicesOf(values)) {
          await this.#keep({ version, keys, values: some, isComplete: false });
        }
        count += values.length;
        first = end + 1;
      } catch (error) {
        if (!isTooLarge(error) || anchors === 1) throw error;
        anchors = Math.ceil(anchors / 2);
      }
    }
    await this.#keep({ version, keys, values: [], isComplete: true });
    return count;
  }

  async #keep(command: TraitsCommand): Promise<void> {
    if (!this.#isWanted(command.version)) return;
    const { tenant, clock } = this.#options;
    await tenant.commands.keepTraits(command, clock.nowMicros());
  }

  #isWanted(version: number): boolean {
    return !this.#isClosed && this.#options.tenant.declarations.version === version;
  }
}

/** Runs of values that are about a record each. */
function* slicesOf(values: readonly SaidValue[]): Generator<readonly SaidValue[]> {
  let first = 0;
  let bytes = 0;
  for (const [index, { value }] of values.entries()) {
    bytes += 2 * value.length + VALUE_OVERHEAD_BYTES;
    if (bytes < RECORD_BYTES && index < values.length - 1) continue;
    yield values.slice(first, index + 1);
    first = index + 1;
    bytes = 0;
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof TributaryError && error.code === 'TRIBUTARY_QUERY_RESULT_TOO_LARGE';
}
