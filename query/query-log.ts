/**
 * The recent statements of one tenant: what was asked, by whom, how it ended and what it read. The relation
 * `system.queries` shows it (system-queries.ts).
 *
 * - Bounded: the oldest makes room for the newest, and a long text is cut.
 * - It lives in memory alone, and each tenant's service has its own: nobody reads another's statements.
 * - Values of parameters are not in it. A text may name a person all the same, so an erasure forgets all texts.
 */
import type { Clock } from '../base/clock.ts';
import type { ErrorCode } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { QueryStatistics } from './result-formats.ts';

export interface RecentQuery {
  readonly id: string;
  /** When it was asked; it may have waited for a worker since. */
  readonly startedAtMicros: number;
  /** The admin key it came with; null for a statement that the appliance made for an answer. */
  readonly keyId: string | null;
  /** Its text, or the beginning of it; null once it was forgotten. */
  readonly statement: string | null;
  readonly state: 'running' | 'finished' | 'failed';
  /** Of a failed one. */
  readonly code: ErrorCode | null;
  /** From asking to the end, or until now. */
  readonly elapsedMs: number;
  /** As the worker counted; null while it runs, and when the worker was lost. */
  readonly statistics: QueryStatistics | null;
}

/** One statement's place in the log, until it has ended. */
export interface LoggedQuery {
  finish(statistics: QueryStatistics): void;
  fail(code: ErrorCode, statistics: QueryStatistics | null): void;
}

type Entry = { -readonly [Key in keyof RecentQuery]: RecentQuery[Key] } & { startedMs: number };

export class QueryLog {
  readonly #clock: Clock;
  /** Oldest first. */
  #entries: Entry[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(id: string, sql: string, keyId: string | null): LoggedQuery {
    const entry: Entry = {
      id,
      startedAtMicros: this.#clock.nowMicros(),
      startedMs: this.#clock.monotonicMs(),
      keyId,
      statement: sql.slice(0, LIMITS.recentQueryCharactersMax),
      state: 'running',
      code: null,
      elapsedMs: 0,
      statistics: null,
    };
    this.#entries.push(entry);
    if (this.#entries.length > LIMITS.recentQueriesMax) this.#entries.shift();
    const end = (state: RecentQuery['state'], code: ErrorCode | null): void => {
      entry.state = state;
      entry.code = code;
      entry.elapsedMs = this.#elapsedOf(entry);
    };
    return {
      finish(statistics) {
        entry.statistics = statistics;
        end('finished', null);
      },
      fail(code, statistics) {
        entry.statistics = statistics;
        end('failed', code);
      },
    };
  }

  /** Newest first. */
  get recent(): readonly RecentQuery[] {
    return this.#entries
      .map(({ startedMs: _, ...entry }, index) => {
        if (entry.state !== 'running') return entry;
        return { ...entry, elapsedMs: this.#elapsedOf(this.#entries[index]!) };
      })
      .reverse();
  }

  /** Forgets the text of every statement, also of those that run. */
  forgetTexts(): void {
    for (const entry of this.#entries) entry.statement = null;
  }

  #elapsedOf({ startedMs }: Entry): number {
    return Math.round(this.#clock.monotonicMs() - startedMs);
  }
}
