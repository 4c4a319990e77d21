/**
 * Keeps the lake's tables of identity behind the tenants: every so often, and when asked, a checkpoint is
 * made of what is flushed, and the tables are written from it.
 *
 * - It is due when `intervalMs` has passed since the last write, and rows were flushed since.
 * - A checkpoint is made where the newest is older than what is flushed: the next start would have replayed
 *   that part of the log, so the work is not done twice.
 * - The writer restores the checkpoint into a hot directory of its own: for the time of a write, identity is
 *   in shared memory once more.
 *
 * Failure: logged by the caller; a tenant whose write failed rests for a while that doubles.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import { type FileSystem, parentOf } from '../storage/file-system.ts';
import { removeHotDirectory } from '../storage/hot-directory.ts';
import { randomUuid } from '../storage/lake/location.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import type { Checkpointer } from './checkpointer.ts';
import type { OpenTenant } from './engine.ts';
import { IdentityTables } from './identity-tables.ts';
import type { IdentityWriter } from './identity-writer.ts';

export interface IdentityUpkeepOptions {
  readonly writer: IdentityWriter;
  /** Between two writes, milliseconds; 0: only when asked. */
  readonly intervalMs: number;
  readonly store: ObjectStore;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

/** The tenant, and what makes its checkpoints. */
export type IdentitySource = Pick<OpenTenant, 'cold' | 'tenant'> & {
  readonly checkpointer:
    | { readonly order: Checkpointer['order']; checkpoint(): Promise<unknown> }
    | undefined;
};

/** What one write did. */
export interface IdentityWrite {
  readonly sequence: number;
  readonly rows: number;
  readonly bytes: number;
  readonly elapsedMs: number;
}

/** What a restored identity has room for beside what there is: it prepares for a command that never comes. */
const SPARE_NODES = 1 << 18;
const RETRY_MS = 60_000;
const RETRY_MS_MAX = 3_600_000;

export class IdentityUpkeep {
  readonly #options: IdentityUpkeepOptions;
  readonly #startedAtMicros: number;
  readonly #tables = new Map<string, Promise<IdentityTables>>();
  /** Tenants whose write failed last. */
  readonly #resting = new Map<string, { readonly untilMs: number; readonly failures: number }>();
  /** Totals since the start. */
  readonly statistics = { writes: 0, failures: 0, rows: 0, bytes: 0, elapsedMs: 0 };

  constructor(options: IdentityUpkeepOptions) {
    this.#options = options;
    this.#startedAtMicros = options.clock.nowMicros();
  }

  /** The tables of a tenant, opened when they are first asked for. */
  tablesOf({ tenant }: Pick<OpenTenant, 'tenant'>): Promise<IdentityTables> {
    const known = this.#tables.get(tenant.id);
    if (known !== undefined) return known;
    // One that was killed has left its directory.
    removeHotDirectory(hotDirectoryOf(tenant));
    const opening = IdentityTables.open({ ...this.#options, tenantId: tenant.id });
    this.#tables.set(tenant.id, opening);
    opening.catch(() => this.#tables.delete(tenant.id));
    return opening;
  }

  /** Whether a write is due by itself. */
  async isDue(open: OpenTenant): Promise<boolean> {
    const { clock, intervalMs } = this.#options;
    if (intervalMs === 0 || open.checkpointer === undefined) return false;
    if ((this.#resting.get(open.tenant.id)?.untilMs ?? 0) > clock.monotonicMs()) return false;
    const { sequence, writtenAtMicros } = await this.tablesOf(open);
    const since = writtenAtMicros ?? this.#startedAtMicros;
    return open.cold.sequence > sequence && clock.nowMicros() - since >= intervalMs * 1000;
  }

  /**
   * Writes the tables as of what is flushed.
   * @returns undefined when they are so already.
   * @throws TRIBUTARY_ENGINE_CHECKPOINT_FAILED, TRIBUTARY_LAKE_REWRITE_FAILED, and as LakeTable.commit does.
   */
  async write(open: IdentitySource): Promise<IdentityWrite | undefined> {
    const { id } = open.tenant;
    try {
      const write = await this.#write(open);
      this.#resting.delete(id);
      return write;
    } catch (error) {
      // After a commit whose outcome is unknown a table has to be opened again.
      this.#tables.delete(id);
      const failures = (this.#resting.get(id)?.failures ?? 0) + 1;
      const restMs = Math.min(RETRY_MS * 2 ** (failures - 1), RETRY_MS_MAX);
      this.#resting.set(id, { untilMs: this.#options.clock.monotonicMs() + restMs, failures });
      this.statistics.failures += 1;
      throw error;
    }
  }

  /** Ends the write that runs, which fails. Idempotent. */
  close(): Promise<void> {
    return this.#options.writer.close();
  }

  async #write(open: IdentitySource): Promise<IdentityWrite | undefined> {
    const { clock, random, store, writer } = this.#options;
    const { cold, checkpointer, tenant } = open;
    assert(checkpointer !== undefined, 'identity is written where checkpoints are made');
    const startMs = clock.monotonicMs();
    const tables = await this.tablesOf(open);
    const afterSequence = tables.sequence;
    if (cold.sequence <= afterSequence) return undefined;
    await checkpointer.checkpoint();
    const { secretFile, checkpointDirectory, capacities } = checkpointer.order;
    const { nodeCount, profiles } = tenant.identity;
    const identifiers = Math.max(nodeCount, profiles.anchorCount);
    // The index reserves memory of the process for as many as it may have.
    const identityNodes = Math.min(capacities.identityNodes, identifiers + SPARE_NODES);
    const hotDirectory = hotDirectoryOf(tenant);
    const traits = await tables.declare(tenant.readTraits.filter(({ slot }) => slot > 0));
    const output = `${store.stagingDirectory}/identity-${randomUuid(random)}`;
    try {
      const written = await writer.write({
        tenantId: tenant.id,
        secretFile,
        checkpointDirectory,
        hotDirectory,
        capacities: { ...capacities, identityNodes },
        identifiers,
        sequenceMax: cold.sequence,
        afterSequence,
        output,
        temporaryDirectory: store.stagingDirectory,
        tables: tables.lakeTables.map(({ name, schema }) => ({ name, columns: schema.columns })),
        traits,
      });
      if (written.sequence <= afterSequence) {
        const reason = `there is none behind sequence ${afterSequence} with all traits; the log says why`;
        throw new TributaryError('TRIBUTARY_ENGINE_CHECKPOINT_FAILED', { reason });
      }
      const { rows, bytes } = await tables.commit(written);
      const elapsedMs = clock.monotonicMs() - startMs;
      this.statistics.writes += 1;
      this.statistics.rows += rows;
      this.statistics.bytes += bytes;
      this.statistics.elapsedMs += elapsedMs;
      await tables.expire();
      return { sequence: written.sequence, rows, bytes, elapsedMs };
    } finally {
      removeHotDirectory(hotDirectory);
      await this.#removeStaged(output);
    }
  }

  /** What a failed write has left. */
  async #removeStaged(output: string): Promise<void> {
    const { fileSystem } = this.#options;
    const directory = parentOf(output);
    for (const name of await fileSystem.list(directory)) {
      const path = `${directory}/${name}`;
      if (path.startsWith(output)) await fileSystem.unlink(path);
    }
  }
}

function hotDirectoryOf({ hotDirectory }: { readonly hotDirectory: string }): string {
  return `${hotDirectory}-identity`;
}
