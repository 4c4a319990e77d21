/**
 * How far each bulk import is, for `GET /v1/import/{id}`: counts and a state, kept across restarts.
 *
 * What makes an import safe to repeat are the message ids of its rows, not this: a record may lag behind
 * the rows, never run ahead of them. So it is written beside the rows and not with them: when an import
 * begins, about once a second, and before its end is told.
 *
 * - All rows before `nextRow` are durable. After a crash the counts may miss the last second.
 * - An import that a restart finds running was interrupted.
 * - One import of a tenant runs once at a time.
 * - Of the imports that are over the newest {@link FINISHED_MAX} are remembered.
 * - A record that cannot be written is logged and tried again with the next one; the import goes on.
 */
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

const FINISHED_MAX = 1000;

/** `interrupted`: the client went away, or a batch was refused; send the rest, or all of it, again. */
export type ImportState = 'running' | 'complete' | 'interrupted';

export interface ImportProgress {
  readonly importId: string;
  state: ImportState;
  /** The row to go on from: all rows before it are durable. */
  nextRow: number;
  bytes: number;
  accepted: number;
  duplicates: number;
  rejected: number;
}

/** Where the records live. `replace` is atomic and durable when it resolves. */
export interface ImportStore {
  /** The whole text, or undefined when there is none yet. */
  read(): Promise<string | undefined>;
  replace(text: string): Promise<void>;
}

export class ImportRegistry {
  /** By tenant and import, in the order they were started. */
  readonly #imports: Map<string, ImportProgress>;
  readonly #store: ImportStore;
  readonly #logger: Logger;
  #saving: Promise<void> | undefined;
  #isStale = false;

  private constructor(imports: Map<string, ImportProgress>, store: ImportStore, logger: Logger) {
    this.#imports = imports;
    this.#store = store;
    this.#logger = logger;
  }

  /** Reads the records; ones that cannot be read are logged and forgotten: they are a convenience. */
  static async open(store: ImportStore, logger: Logger): Promise<ImportRegistry> {
    let imports = new Map<string, ImportProgress>();
    try {
      imports = parseImports(await store.read());
    } catch (error) {
      logger.log('error', 'the records of imports cannot be read and are forgotten', { error });
    }
    return new ImportRegistry(imports, store, logger);
  }

  /** The caller saves before it stores a row. @throws TRIBUTARY_INGEST_IMPORT_RUNNING */
  start(tenantId: string, importId: string, firstRow: number): ImportProgress {
    const key = `${tenantId}/${importId}`;
    if (this.#imports.get(key)?.state === 'running') {
      throw new TributaryError('TRIBUTARY_INGEST_IMPORT_RUNNING', { importId });
    }
    const counts = { bytes: 0, accepted: 0, duplicates: 0, rejected: 0 };
    const progress: ImportProgress = { importId, state: 'running', nextRow: firstRow, ...counts };
    this.#imports.delete(key);
    this.#imports.set(key, progress);
    this.#forgetOldest();
    return progress;
  }

  /** @throws TRIBUTARY_INGEST_IMPORT_UNKNOWN */
  progressOf(tenantId: string, importId: string): ImportProgress {
    const progress = this.#imports.get(`${tenantId}/${importId}`);
    if (progress !== undefined) return progress;
    throw new TributaryError('TRIBUTARY_INGEST_IMPORT_UNKNOWN', { importId });
  }

  /** Resolves when what holds now is on the disk, or could not be written. Never rejects. */
  save(): Promise<void> {
    this.#isStale = true;
    this.#saving ??= this.#saveUntilFresh().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #saveUntilFresh(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      try {
        await this.#store.replace(
          `${JSON.stringify(Object.fromEntries(this.#imports), null, 1)}\n`,
        );
      } catch (error) {
        this.#logger.log('error', 'the records of imports cannot be written', { error });
      }
    }
  }

  #forgetOldest(): void {
    if (this.#imports.size <= FINISHED_MAX) return;
    for (const [key, { state }] of this.#imports) {
      if (state === 'running') continue;
      this.#imports.delete(key);
      return;
    }
  }
}

/** @throws Error for text that was not written by a registry. */
function parseImports(text: string | undefined): Map<string, ImportProgress> {
  if (text === undefined) return new Map();
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new Error('the records are no object');
  return new Map(Object.entries(value).map(([key, record]) => [key, parseProgress(record)]));
}

function parseProgress(record: unknown): ImportProgress {
  const fields: Readonly<Record<string, unknown>> = { ...(record as object) };
  const { importId } = fields;
  if (typeof importId !== 'string') throw new Error('a record has no importId');
  const count = (name: string): number => {
    const value = fields[name];
    if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value);
    throw new Error(`${name} of import ${importId} is no count`);
  };
  return {
    importId,
    state: fields['state'] === 'complete' ? 'complete' : 'interrupted',
    nextRow: count('nextRow'),
    bytes: count('bytes'),
    accepted: count('accepted'),
    duplicates: count('duplicates'),
    rejected: count('rejected'),
  };
}
