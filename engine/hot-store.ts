/**
 * The hot data of one tenant: its directory in shared memory, the registry, and the tables in it.
 * All of it is a cache of the log, made anew by every start.
 */
import { DEAD_LETTERS_SCHEMA } from '../storage/dead-letters-schema.ts';
import { EDGES_SCHEMA } from '../storage/edges-schema.ts';
import { EVENTS_SCHEMA } from '../storage/events-schema.ts';
import { HotBudget } from '../storage/hot-budget.ts';
import { clearHotDirectory } from '../storage/hot-directory.ts';
import { HotTable } from '../storage/hot-table.ts';
import { MERGES_SCHEMA } from '../storage/merges-schema.ts';
import { planSegment, type SegmentPlan, type TableSchema } from '../storage/segment-format.ts';
import { TableRegistry } from '../storage/table-registry.ts';
import { WARNINGS_SCHEMA } from '../storage/warnings-schema.ts';
import { TENANT_CAPACITIES, type TenantCapacities } from './capacities.ts';

export class HotStore {
  readonly directory: string;
  readonly budget: HotBudget;
  readonly events: HotTable;
  readonly edges: HotTable;
  readonly merges: HotTable;
  readonly deadLetters: HotTable;
  readonly warnings: HotTable;
  /** In the order in which they are flushed: what came of an event before the event. */
  readonly tables: readonly HotTable[];
  /** Removes one file of the directory. */
  readonly removeFile: (path: string) => void;
  readonly #registry: TableRegistry;

  /** Makes `directory` fresh and empty. @throws TRIBUTARY_STORAGE_REGION_FULL, _HOT_FULL */
  constructor(
    directory: string,
    bytesMax: number,
    capacities: TenantCapacities = TENANT_CAPACITIES,
  ) {
    const removeFile = clearHotDirectory(directory);
    this.directory = directory;
    this.removeFile = removeFile;
    this.budget = new HotBudget(bytesMax);
    this.#registry = TableRegistry.create(directory);
    const shared = { directory, registry: this.#registry, budget: this.budget, removeFile };
    const plan = (schema: TableSchema): SegmentPlan => {
      const { segmentRows, segmentHeaps, dictionaryEntries } = capacities;
      return planSegment(schema, segmentRows, segmentHeaps, dictionaryEntries);
    };
    this.events = new HotTable({ ...shared, plan: plan(EVENTS_SCHEMA) });
    this.edges = new HotTable({ ...shared, plan: plan(EDGES_SCHEMA) });
    this.merges = new HotTable({ ...shared, plan: plan(MERGES_SCHEMA) });
    this.deadLetters = new HotTable({ ...shared, plan: plan(DEAD_LETTERS_SCHEMA) });
    this.warnings = new HotTable({ ...shared, plan: plan(WARNINGS_SCHEMA) });
    this.tables = [this.edges, this.merges, this.deadLetters, this.warnings, this.events];
  }

  /** Memory of files that wait to be segments again. */
  get spareBytes(): number {
    return this.tables.reduce((sum, { spares }) => sum + spares.bytes, 0);
  }

  /** Files that were used again. */
  get segmentsReused(): number {
    return this.tables.reduce((sum, { spares }) => sum + spares.reusedCount, 0);
  }

  /** Unmaps everything; the files stay for readers. Idempotent. */
  close(): void {
    for (const table of this.tables) table.close();
    this.#registry.close();
  }
}
