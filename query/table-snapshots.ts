/**
 * What one statement sees: a snapshot of each hot table it reads, and the cold files that go with it.
 *
 * The snapshot is taken in native memory, where every scan of the statement finds it; the files are put
 * into the views, which the statement's own transaction makes. So a statement sees each row once, whatever
 * is published, flushed or dropped while it runs.
 *
 * Making a view takes two milliseconds, so those of a committed transaction are kept, and made anew only when
 * they would differ. No view names another, so what a statement does not name may stay as it is.
 *
 * Failure: a list of files that is gone by the time it is read was replaced; the snapshot is taken again.
 */
import { assert } from '../base/assert.ts';
import type { HeldTable } from '../native/index.ts';
import { type ColdFile, type ColdList, coldListFile, parseColdList } from '../storage/cold-list.ts';
import { type FileSystem, hasErrno, readFile } from '../storage/file-system.ts';
import { type Catalog, type CatalogRelation, selectOver } from './catalog.ts';
import {
  hotSource,
  type PrunedFiles,
  pruneFiles,
  quoteName,
  type TableSource,
  tieredSource,
} from './cold-source.ts';
import { boundText, type ScanBound } from './pruning.ts';
import {
  type AcceptValues,
  acceptedOf,
  acceptedText,
  type ValueCondition,
} from './value-pruning.ts';

/** The part of the native addon that holds snapshots. */
export interface SnapshotControl {
  holdTable(table: string): HeldTable | string;
  releaseTables(): void;
}

/** What a statement reads of cold files, and what it need not. */
export interface ColdReads {
  readonly filesRead: number;
  readonly filesSkipped: number;
  /** Of those files; DuckDB leaves out more by their footers. */
  readonly rowGroupsRead: number;
  readonly rowGroupsSkipped: number;
  readonly bytesRead: number;
  readonly bytesSkipped: number;
}

export interface TableReads {
  readonly table: string;
  readonly cold: ColdReads;
  readonly hasHotRows: boolean;
  /** By which rows were left out, in words. */
  readonly bounds: readonly string[];
}

export interface HeldSnapshots {
  /** Makes the views of the statement that differ from the kept ones; to be run in its transaction. */
  readonly statements: readonly string[];
  /** By the names of their relations, the views that the statements make. */
  readonly views: ReadonlyMap<string, string>;
  readonly tables: readonly TableReads[];
}

export const NO_SNAPSHOTS: HeldSnapshots = {
  statements: [],
  views: new Map(),
  tables: [],
};

/** Of all tables together. */
export function totalReads(tables: readonly TableReads[]): ColdReads {
  const sum = (field: keyof ColdReads): number =>
    tables.reduce((total, { cold }) => total + cold[field], 0);
  return {
    filesRead: sum('filesRead'),
    filesSkipped: sum('filesSkipped'),
    rowGroupsRead: sum('rowGroupsRead'),
    rowGroupsSkipped: sum('rowGroupsSkipped'),
    bytesRead: sum('bytesRead'),
    bytesSkipped: sum('bytesSkipped'),
  };
}

function readsOf({ read, skipped }: PrunedFiles): ColdReads {
  const sum = (files: readonly ColdFile[], field: 'rowGroups' | 'bytes'): number =>
    files.reduce((total, file) => total + file[field], 0);
  return {
    filesRead: read.length,
    filesSkipped: skipped.length,
    rowGroupsRead: sum(read, 'rowGroups'),
    rowGroupsSkipped: sum(skipped, 'rowGroups'),
    bytesRead: sum(read, 'bytes'),
    bytesSkipped: sum(skipped, 'bytes'),
  };
}

interface HeldRows {
  /** Undefined while the table has no cold files. */
  readonly list: ColdList | undefined;
  readonly hasHotRows: boolean;
}

/** Differs from every SELECT, so that the view is made again. */
const UNKNOWN_VIEW = '';
/** A list is replaced once a flush; the limit is for an appliance that is gone. */
const TRIES_MAX = 100;

export class TableSnapshots {
  readonly #hotDirectory: string;
  readonly #control: SnapshotControl;
  readonly #fileSystem: FileSystem;
  /** The SELECT of each view that is another than the database was opened with. */
  readonly #kept = new Map<string, string>();
  /** The newest list of each table that was read. */
  readonly #lists = new Map<string, { readonly version: number; readonly list: ColdList }>();

  constructor(hotDirectory: string, control: SnapshotControl, fileSystem: FileSystem) {
    this.#hotDirectory = hotDirectory;
    this.#control = control;
    this.#fileSystem = fileSystem;
  }

  /**
   * Takes a snapshot of every table that the named relations scan.
   * @param relationUses how often each relation of `catalog` is named.
   * @param accept says which values meet one of `conditions`.
   */
  async hold(
    catalog: Catalog,
    relationUses: ReadonlyMap<string, number>,
    bounds: readonly ScanBound[],
    conditions: readonly ValueCondition[] = [],
    accept: AcceptValues = async () => null,
  ): Promise<HeldSnapshots> {
    const used = catalog.relations.filter(({ name }) => (relationUses.get(name) ?? 0) > 0);
    const sources = new Map<string, TableSource>();
    const tables: TableReads[] = [];
    for (const table of new Set(used.flatMap(({ scans }) => scans))) {
      const { list, hasHotRows } = await this.#holdTable(table);
      const own = bounds.filter((bound) => bound.table === table);
      const wanted = conditions.filter((condition) => condition.table === table);
      const accepted = await acceptedOf(list?.files ?? [], wanted, accept);
      const files = pruneFiles(list?.files ?? [], own, accepted);
      const inWords = [...own.map(boundText), ...accepted.map(acceptedText)];
      tables.push({ table, cold: readsOf(files), hasHotRows, bounds: inWords });
      if (list === undefined || files.read.length === 0) continue;
      sources.set(table, tieredSource(table, list, files.read, own, hasHotRows));
    }
    const views = new Map<string, string>();
    for (const relation of used) {
      const select = selectOver(relation, (table) => sources.get(table) ?? hotSource(table));
      if (select !== this.#viewOf(relation)) views.set(relation.name, select);
    }
    const statements = [...views].map(
      ([name, select]) => `CREATE OR REPLACE VIEW ${quoteName(name)} AS ${select}`,
    );
    return { statements, views, tables };
  }

  /** Says that the transaction with the statements of `held` may or may not be committed. */
  forget(held: HeldSnapshots): void {
    for (const name of held.views.keys()) this.#kept.set(name, UNKNOWN_VIEW);
  }

  /** Says that it was. */
  keep(held: HeldSnapshots): void {
    for (const [name, select] of held.views) this.#kept.set(name, select);
  }

  /** The SELECT behind the database's view of a relation; undefined when it is another relation's. */
  #viewOf(relation: CatalogRelation): string | undefined {
    const kept = this.#kept.get(relation.name);
    if (kept !== undefined || relation.isOfStatement === true) return kept;
    return selectOver(relation, hotSource);
  }

  release(): void {
    this.#control.releaseTables();
  }

  async #holdTable(table: string): Promise<HeldRows> {
    for (let attempt = 0; attempt < TRIES_MAX; attempt += 1) {
      const held = this.#control.holdTable(table);
      if (typeof held === 'string') throw new Error(held);
      const hasHotRows = held.floorRow < held.publishedRows;
      if (held.coldVersion === 0) return { list: undefined, hasHotRows };
      const list = await this.#listOf(table, held.coldVersion);
      if (list !== undefined) return { list, hasHotRows };
    }
    assert(false, 'a list of cold files is there while the registry names it');
  }

  /** @returns undefined when the list was replaced meanwhile. */
  async #listOf(table: string, version: number): Promise<ColdList | undefined> {
    const known = this.#lists.get(table);
    if (known?.version === version) return known.list;
    try {
      const path = `${this.#hotDirectory}/${coldListFile(table, version)}`;
      const list = parseColdList(await readFile(this.#fileSystem, path));
      this.#lists.set(table, { version, list });
      return list;
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
}
