/**
 * The erasures of a tenant, as its log tells of them: what each was about, and how far it has come. It is
 * state like any other, folded from the log and kept by checkpoints.
 *
 * - Of identifiers there are keyed hashes only (suppression-hash.ts): enough to find the same values in a backup
 *   that is older than the erasure, and no use to anybody without the tenant's secret.
 * - An erasure stays in the list for ever: so long as there may be an old backup, it may have to be done again.
 */

import { joinNamedRows, type NamedRows } from '../storage/row-condition.ts';
import {
  partOfBytes,
  restoreBytes,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';
import type { GoneCommand, RewrittenCommand } from './erasure-record.ts';

export interface Erasure {
  readonly id: string;
  /** Of its record: nothing that came before it is left. */
  readonly sequence: number;
  readonly requestedAtMicros: number;
  readonly profile: string | null;
  readonly reason: string | null;
  readonly anchors: readonly number[];
  /** Of what each anchor stood for, in hexadecimal digits. */
  readonly hashes: readonly string[];
  /** Sequences of what was refused and mentioned them. */
  readonly deadLetters: readonly number[];
  readonly warnings: readonly number[];
  readonly counts: ErasureCounts;
  /** The rows that cold files may still hold; null once they were rewritten. */
  readonly rows: NamedRows | null;
  readonly rewritten: RewrittenFiles | null;
  /** When the last copy was found to have left the disk. */
  readonly goneAtMicros: number | null;
}

export interface ErasureCounts {
  readonly identifiers: number;
  readonly events: number;
  readonly edges: number;
  readonly deadLetters: number;
  readonly warnings: number;
}

/** Of the erasures that were taken out of cold files together. */
export interface RewrittenFiles {
  readonly atMicros: number;
  readonly files: number;
  readonly rows: number;
}

/**
 * How far an erasure has come: no query of ours sees anything; no live file has anything; no copy is left.
 * docs/erasure.md says what each means.
 */
export const ERASURE_STATES = ['hidden', 'rewritten', 'gone'] as const;
export type ErasureState = (typeof ERASURE_STATES)[number];

export function stateOf({ goneAtMicros, rewritten }: Erasure): ErasureState {
  if (goneAtMicros !== null) return 'gone';
  return rewritten !== null ? 'rewritten' : 'hidden';
}

/** The part of a checkpoint that has the list, as JSON. */
const ERASURES_PART = 'erasures';

export class ErasureLedger {
  /** By id, in the order of the log. */
  readonly #erasures = new Map<string, Erasure>();

  get count(): number {
    return this.#erasures.size;
  }

  /** Oldest first. */
  get all(): readonly Erasure[] {
    return [...this.#erasures.values()];
  }

  get(id: string): Erasure | undefined {
    return this.#erasures.get(id);
  }

  /** Those whose rows may still lie in live cold files. */
  get unwritten(): readonly Erasure[] {
    return this.all.filter(({ rows }) => rows !== null);
  }

  /** Those of which a copy may be on the disk. */
  get unfinished(): readonly Erasure[] {
    return this.all.filter(({ goneAtMicros }) => goneAtMicros === null);
  }

  /** All rows that cold files may still hold. */
  get coldRows(): NamedRows {
    return this.unwritten.reduce<NamedRows>((all, { rows }) => joinNamedRows(all, rows!), {});
  }

  add(erasure: Erasure): void {
    this.#erasures.set(erasure.id, erasure);
  }

  /** Notes how far erasures have come. */
  note(command: RewrittenCommand | GoneCommand, atMicros: number): void {
    for (const id of command.ids) {
      const erasure = this.#erasures.get(id);
      if (erasure === undefined) continue;
      const { files, rows } = command.command === 'gone' ? { files: 0, rows: 0 } : command;
      const progress =
        command.command === 'gone'
          ? { goneAtMicros: atMicros }
          : { rows: null, rewritten: { atMicros, files, rows } };
      this.#erasures.set(id, { ...erasure, ...progress });
    }
  }

  /** What a checkpoint keeps. */
  state(): StatePart {
    return partOfBytes(ERASURES_PART, Buffer.from(JSON.stringify(this.all)));
  }

  /** Takes over what {@link ErasureLedger.state} was; this is empty. */
  async restore(source: StateSource): Promise<void> {
    const text = Buffer.from(await restoreBytes(ERASURES_PART, source)).toString('utf8');
    for (const erasure of JSON.parse(text) as Erasure[]) this.add(erasure);
  }
}
