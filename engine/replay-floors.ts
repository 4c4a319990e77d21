/**
 * Where, in the rows that a start replays, those begin that are not in the lake yet.
 *
 * The log is read from the last checkpoint on, and tables are committed to the lake one after another: a
 * crash between two commits leaves some watermarks ahead of others. Each replayed row whose sequence is
 * at or below the watermark of its table is in a cold file, and is skipped: the floor goes over it.
 */
import type { HotTable } from '../storage/hot-table.ts';

/** The part of a cold table that a replay needs. */
export interface FlooredTable {
  readonly hot: HotTable;
  readonly watermark: number;
  skipTo(floorRow: number): void;
}

export class ReplayFloors {
  /** Tables whose watermark the replay has not passed. */
  #below: FlooredTable[];
  /** Floors that were found and not told yet. */
  readonly #found: { readonly table: FlooredTable; readonly floorRow: number }[] = [];

  constructor(tables: readonly FlooredTable[]) {
    this.#below = [...tables];
  }

  /**
   * Told before the rows of a record are applied.
   * @param rowsOf the rows of a table that are applied so far.
   */
  pass(sequence: number, rowsOf: (table: HotTable) => number): void {
    if (this.#below.length === 0) return;
    this.#below = this.#below.filter((table) => {
      if (sequence <= table.watermark) return true;
      this.#found.push({ table, floorRow: rowsOf(table.hot) });
      return false;
    });
  }

  /** Lets go of the published rows that are in the lake; to be told again and again, and at the end. */
  settle(): void {
    for (const table of this.#below) table.skipTo(table.hot.publishedRows);
    for (const { table, floorRow } of this.#found.splice(0)) table.skipTo(floorRow);
  }
}
