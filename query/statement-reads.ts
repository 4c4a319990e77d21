/**
 * What one statement reads, from its tree to the views it names: bounds of its scans, a snapshot of each table,
 * and views over them.
 *
 * What makes views, or has a bound that only DuckDB can compute, is one transaction: that gives the now() of
 * bounds the statement's own moment, and the views to nobody else before the statement has succeeded.
 *
 * - Bounds that are literals are read as they stand; DuckDB is asked about all others at once.
 * - Scan bounds and snapshots are of the native addon, and of one statement at a time: who runs it lets them go.
 *
 * Failure: a bound that cannot be computed bounds nothing; the statement itself tells what is wrong.
 */
import type { Catalog } from './catalog.ts';
import type { Connection, Parameter } from './duckdb.ts';
import { literalValue } from './literal-bounds.ts';
import { type BoundCandidate, combineBounds, findBounds, type ScanBound } from './pruning.ts';
import type { ParsedStatement, StatementParser } from './statement-parser.ts';
import {
  type HeldSnapshots,
  NO_SNAPSHOTS,
  type TableReads,
  type TableSnapshots,
} from './table-snapshots.ts';
import { findValueConditions } from './value-pruning.ts';

export interface ReadsParts {
  readonly parser: StatementParser;
  readonly scans: {
    setScanBound(table: string, column: string, min: bigint, max: bigint): void;
  };
  /** Null for a catalogue that scans no tables of the appliance. */
  readonly snapshots: TableSnapshots | null;
}

export class StatementReads {
  readonly #parts: ReadsParts;
  readonly #connection: Connection;
  #held: HeldSnapshots = NO_SNAPSHOTS;
  #isInTransaction = false;

  /** @param connection of the statement alone; what it has open is ended by who closes it. */
  constructor(parts: ReadsParts, connection: Connection) {
    this.#parts = parts;
    this.#connection = connection;
  }

  get tables(): readonly TableReads[] {
    return this.#held.tables;
  }

  /** Sets bounds, takes snapshots and makes views. Once. */
  async make(
    { root, relationUses }: ParsedStatement,
    catalog: Catalog,
    parameters: readonly Parameter[],
  ): Promise<void> {
    const { parser, scans, snapshots } = this.#parts;
    const bounds = await this.#evaluate(findBounds(root, relationUses, catalog, parameters));
    for (const { table, column, min, max } of bounds) scans.setScanBound(table, column, min, max);
    if (snapshots === null) return;
    const conditions = findValueConditions(root, relationUses, catalog, parameters);
    this.#held = await snapshots.hold(
      catalog,
      relationUses,
      bounds,
      conditions,
      (condition, values) => parser.acceptedValues(condition, values),
    );
    await this.#makeViews();
  }

  /** Makes the same views, after an error has aborted the transaction. */
  async makeAgain(): Promise<void> {
    await this.#rollBack();
    await this.#makeViews();
  }

  /** Commits the views for statements to come; rows that were streamed need the transaction no more. */
  async keep(): Promise<void> {
    const { snapshots } = this.#parts;
    if (snapshots === null || this.#held.statements.length === 0) return;
    // Where the commit is interrupted, nobody knows which views there are: they are made again.
    snapshots.forget(this.#held);
    await this.#connection.run('COMMIT');
    snapshots.keep(this.#held);
  }

  async #evaluate(candidates: readonly BoundCandidate[]): Promise<ScanBound[]> {
    const read = candidates.map((candidate) => {
      return { candidate, value: literalValue(candidate.expression, candidate.column.kind) };
    });
    const known = read.flatMap(({ candidate, value }) =>
      value === undefined ? [] : [{ candidate, value }],
    );
    const asked = read.flatMap(({ candidate, value }) => (value === undefined ? [candidate] : []));
    return combineBounds([...known, ...(await this.#ask(asked))]);
  }

  /** What DuckDB says of constants; null for NULL and for what is of another type than the column's. */
  async #ask(
    candidates: readonly BoundCandidate[],
  ): Promise<readonly { readonly candidate: BoundCandidate; readonly value: bigint | null }[]> {
    if (candidates.length === 0) return [];
    await this.#begin();
    try {
      const expressions = candidates.map(({ expression }) => expression);
      const select = await this.#parts.parser.selectText(expressions, nameOfValue);
      const columns = candidates.map(({ column }, index) => {
        const name = nameOfValue(index);
        const number =
          column.kind === 'timestamp' ? `epoch_us(CAST(${name} AS TIMESTAMPTZ))` : name;
        return `typeof(${name}), CAST(${number} AS HUGEINT)`;
      });
      const [row = []] = await this.#connection.rows(
        `SELECT ${columns.join(', ')} FROM (${select})`,
      );
      return candidates.map((candidate, index) => {
        const [type, value] = row.slice(2 * index, 2 * index + 2);
        const fits = isBoundType(String(type), candidate);
        return { candidate, value: typeof value === 'bigint' && fits ? value : null };
      });
    } catch {
      // One of them is no constant after all, or cannot be computed. The error has aborted the transaction, and
      // the moment of the next one is another.
      await this.#rollBack();
      return [];
    }
  }

  async #begin(): Promise<void> {
    if (this.#isInTransaction) return;
    await this.#connection.run('BEGIN TRANSACTION');
    this.#isInTransaction = true;
  }

  async #rollBack(): Promise<void> {
    await this.#connection.rollBack();
    this.#isInTransaction = false;
  }

  async #makeViews(): Promise<void> {
    for (const statement of this.#held.statements) {
      await this.#begin();
      await this.#connection.run(statement);
    }
  }
}

function nameOfValue(index: number): string {
  return `bound_${index}`;
}

function isBoundType(type: string, { column, expression }: BoundCandidate): boolean {
  if (column.kind === 'integer') return /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/.test(type);
  if (type === 'VARCHAR') return expression['class'] === 'CONSTANT';
  return type === 'DATE' || type === 'TIMESTAMP' || type === 'TIMESTAMP WITH TIME ZONE';
}
