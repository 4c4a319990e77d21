/**
 * Erasures of one tenant as an operator sees them: who is meant, what would go, and what has gone.
 *
 * An erasure is answered when no query that begins from then on sees anything of the person: hot rows are
 * hidden and identity is forgotten in the erasure's place in the log, and cold rows are left out of what
 * queries read. Cold files are rewritten later (erasure-upkeep.ts).
 *
 * Failure: an erasure that was logged is done again by every start, whatever became of its answer.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { RandomSource } from '../base/random.ts';
import type { NamedIdentifier } from '../identity/identity-command.ts';
import { randomUuid } from '../storage/lake/location.ts';
import type { ColdStore } from './cold-store.ts';
import type { Erasure } from './erasure-ledger.ts';
import { IdentityKeeper, type KnownProfile } from './identity-keeper.ts';
import { type ListedErasure, serialiseSuppressionList } from './suppression-list.ts';
import type { Tenant } from './tenant.ts';

/** Whom an operator asks to erase. */
export type ErasureSubject =
  | { readonly profile: string }
  | { readonly identifier: NamedIdentifier };

/** What identity knows of whoever is meant, and all by which tables can be searched. */
export interface ErasedPerson extends KnownProfile {
  readonly events: number;
}

/** Sequences of rows that mention a person without being attributed to anybody. */
export interface Mentions {
  readonly deadLetters: readonly number[];
  readonly warnings: readonly number[];
}

export type FindMentions = (person: ErasedPerson) => Promise<Mentions>;

export interface ErasureKeeperOptions {
  readonly tenant: Tenant;
  readonly cold: Pick<ColdStore, 'tables'>;
  readonly random: RandomSource;
}

export class ErasureKeeper {
  readonly #options: ErasureKeeperOptions;

  constructor(options: ErasureKeeperOptions) {
    this.#options = options;
  }

  /** Oldest first. */
  get all(): readonly Erasure[] {
    return this.#options.tenant.erasures.all;
  }

  /** @throws TRIBUTARY_ERASURE_UNKNOWN */
  get(id: string): Erasure {
    const erasure = this.#options.tenant.erasures.get(id);
    if (erasure === undefined) throw new TributaryError('TRIBUTARY_ERASURE_UNKNOWN', { id });
    return erasure;
  }

  /** @throws TRIBUTARY_ERASURE_PERSON_UNKNOWN, TRIBUTARY_IDENTITY_TYPE_UNKNOWN */
  personOf(subject: ErasureSubject): ErasedPerson {
    const { tenant } = this.#options;
    const people = new IdentityKeeper(tenant);
    const person =
      'identifier' in subject
        ? people.profileOf(subject.identifier)
        : people.profileWithId(subject.profile);
    if (person === undefined) throw new TributaryError('TRIBUTARY_ERASURE_PERSON_UNKNOWN');
    return { ...person, events: tenant.identity.profiles.eventsOf(person.anchors) };
  }

  /**
   * Erases a person. Dead letters and warnings that come in while `find` searches are later ones.
   * @throws as {@link ErasureKeeper.personOf}, `find` and Tenant.erase do, and
   *   TRIBUTARY_ERASURE_TOO_LARGE, TRIBUTARY_ERASURE_LIST_FULL.
   */
  async erase(
    subject: ErasureSubject,
    reason: string | null,
    find: FindMentions,
    nowMicros: number,
  ): Promise<Erasure> {
    const { tenant, random } = this.#options;
    const limit = LIMITS.erasuresMax;
    if (tenant.erasures.count >= limit) {
      throw new TributaryError('TRIBUTARY_ERASURE_LIST_FULL', { limit });
    }
    const mentions = await find(this.personOf(subject));
    requireFew(mentions);
    const erasure = await tenant.commands.erase(() => {
      // Who they are now: more may have become known of them since.
      const { anchors, profile } = this.personOf(subject);
      return { command: 'erase', id: randomUuid(random), profile, reason, anchors, ...mentions };
    }, nowMicros);
    await this.hideColdRows();
    return erasure;
  }

  /**
   * Does again what a list says and this log does not know: after a restore, before anything else is written.
   * @throws as Tenant.erase does.
   */
  async repeat(erasures: readonly ListedErasure[], nowMicros: number): Promise<void> {
    const { tenant } = this.#options;
    for (const { id, profile, reason, anchors, deadLetters, warnings } of erasures) {
      if (tenant.erasures.get(id) !== undefined) continue;
      await tenant.commands.erase(() => {
        const known = anchors.filter(([anchor, hash]) => tenant.suppressionHashOf(anchor) === hash);
        // What is behind the end of this log will be said by others.
        const isKnown = (sequence: number): boolean => sequence <= tenant.appliedSequence;
        return {
          command: 'erase',
          id,
          profile,
          reason,
          anchors: known.map(([anchor]) => anchor),
          deadLetters: deadLetters.filter(isKnown),
          warnings: warnings.filter(isKnown),
        };
      }, nowMicros);
    }
    await this.hideColdRows();
  }

  /** The list of all erasures, for a restore of a backup that is older than they are. */
  get list(): string {
    return serialiseSuppressionList(this.#options.tenant.id, this.all);
  }

  /**
   * Makes queries leave out the cold rows that are still to be rewritten, and no others.
   * @throws the file system's error; whatever did not come to pass is done by the next call.
   */
  async hideColdRows(): Promise<void> {
    const { cold, tenant } = this.#options;
    const rows = tenant.erasures.coldRows;
    // One that cannot be listed keeps no other one back.
    const outcomes = await Promise.allSettled(
      cold.tables.map((table) => table.leaveOut(rows[table.lake.name] ?? [])),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

function requireFew({ deadLetters, warnings }: Mentions): void {
  const limit = LIMITS.erasureRowsMax;
  for (const [what, { length: count }] of [
    ['dead letters', deadLetters],
    ['warnings', warnings],
  ] as const) {
    if (count <= limit) continue;
    throw new TributaryError('TRIBUTARY_ERASURE_TOO_LARGE', { count, what, limit });
  }
}
