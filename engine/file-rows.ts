/**
 * The rows of an Arrow or Parquet file as batches of events: those of plain Arrow streams read here (arrow-rows.ts), all
 * others by a process of its own for each file (file-rows-worker.ts), which such a file may be made to break.
 *
 * - The process has `LIMITS.importFileMemoryBytesMax` of memory and is killed when it makes no progress for
 *   `LIMITS.importStallMs` while somebody waits for it, and when its caller stops reading.
 * - Bytes wait in the pipes and batches in their slots for whoever is slower: no more of a file is held here
 *   than a piece and a batch, and of Arrow one record batch.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { observedPieces } from '../base/observed-pieces.ts';
import { streamOf } from '../base/piece-stream.ts';
import { MemoryFile } from '../storage/memory-file.ts';
import { batchesOfPlainArrow } from './arrow-rows.ts';
import { BATCH_SLOTS_BYTES, batchesFrom, type FileBatch, type FileImport } from './file-batches.ts';

export type FileFormat = 'arrow' | 'parquet';

/** What reading a file may take. */
export interface FileMemory {
  /** Held here of Arrow: a longer record batch, and what comes behind it, is left to the process. */
  readonly recordBytesMax: number;
  /** RLIMIT_DATA of the process. */
  readonly processBytesMax: number;
}

export const FILE_MEMORY: FileMemory = {
  recordBytesMax: LIMITS.importRecordBatchBytesMax,
  processBytesMax: LIMITS.importFileMemoryBytesMax,
};

export const WORKER_EXIT_MALFORMED = 2;
/** What the process finds open besides its standard input and output: the memory file, and slots given back. */
export const SLOTS_DESCRIPTOR = 3;
export const RELEASES_DESCRIPTOR = 4;

const RELEASE = new Uint8Array(1);

const PROGRAM = fileURLToPath(new URL('./file-rows-worker.js', import.meta.url));
const HEAP_MEBIBYTES_MAX = 512;
/**
 * A short life with a small heap and large buffers: V8 would collect garbage for every few of them, in threads
 * that take longer to wake than to mark, and optimise WebAssembly that has a second to run. Without both, reading
 * Parquet takes 0.6 of the processor time.
 */
const V8_FLAGS = [
  `--max-old-space-size=${HEAP_MEBIBYTES_MAX}`,
  '--single-threaded-gc',
  '--wasm-tiering-budget=100000000',
];
const LAST_WORDS_CHARACTERS_MAX = 500;

/**
 * @param pieces the file; read only as fast as the rows are.
 * @throws TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE, TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED, TRIBUTARY_INGEST_IMPORT_FILE_TOO_LARGE,
 *   TRIBUTARY_INGEST_IMPORT_STALLED, and what `pieces` throws.
 */
export async function* batchesOfFile(
  format: FileFormat,
  source: FileImport,
  pieces: AsyncIterable<Uint8Array>,
  { recordBytesMax, processBytesMax }: FileMemory = FILE_MEMORY,
): AsyncGenerator<FileBatch> {
  if (format === 'parquet') {
    yield* batchesOfProcess(format, source, pieces, processBytesMax);
    return;
  }
  const rest = yield* batchesOfPlainArrow(source, pieces, recordBytesMax);
  if (rest === undefined) return;
  const { firstRow } = rest;
  yield* batchesOfProcess(format, { ...source, firstRow }, rest.pieces, processBytesMax);
}

async function* batchesOfProcess(
  format: FileFormat,
  { importId, firstRow }: FileImport,
  pieces: AsyncIterable<Uint8Array>,
  memoryBytesMax: number,
): AsyncGenerator<FileBatch> {
  const slots = MemoryFile.create(BATCH_SLOTS_BYTES);
  const worker = startWorker([format, String(memoryBytesMax), importId, String(firstRow)], slots);
  const releases = worker.stdio[RELEASES_DESCRIPTOR] as Writable;
  releases.on('error', () => {}); // The process has ended; its exit code tells.
  const ended = endOf(worker);
  const words = lastWordsOf(worker);
  const watch = new StallWatch(LIMITS.importStallMs, () => worker.kill('SIGKILL'));
  const fed = feed(worker, pieces, () => watch.touch());
  try {
    const inlet = {
      headers: worker.stdout as AsyncIterable<Buffer>,
      read: (position: number, target: Uint8Array) => slots.read(position, target),
      release: () => releases.write(RELEASE),
    };
    for await (const batch of batchesFrom(inlet, format, firstRow)) {
      watch.pause();
      yield batch;
      watch.touch();
    }
    const failure = await fed;
    if (failure !== undefined) throw failure;
    const code = await ended;
    if (code === 0) return;
    if (watch.hasFired)
      throw new TributaryError('TRIBUTARY_INGEST_IMPORT_STALLED', {
        limitMs: LIMITS.importStallMs,
      });
    if (code === WORKER_EXIT_MALFORMED) {
      const reason = words().trim().split('\n').at(-1) ?? '';
      throw new TributaryError('TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED', { format, reason });
    }
    throw new TributaryError('TRIBUTARY_INGEST_IMPORT_FILE_TOO_LARGE', {
      format,
      limitBytes: memoryBytesMax,
    });
  } finally {
    watch.pause();
    worker.kill('SIGKILL');
    slots.close();
  }
}

function startWorker(args: readonly string[], slots: MemoryFile): ChildProcess {
  try {
    return spawn(process.execPath, [...V8_FLAGS, PROGRAM, ...args], {
      stdio: ['pipe', 'pipe', 'pipe', slots.descriptor, 'pipe'],
      env: {},
    });
  } catch (error) {
    slots.close();
    throw error;
  }
}

/** The exit code; undefined for a process that was killed, or never started. */
function endOf(worker: ChildProcess): Promise<number | undefined> {
  return new Promise((resolve) => {
    worker.on('error', () => resolve(undefined));
    worker.on('close', (code) => resolve(code ?? undefined));
  });
}

function lastWordsOf(worker: ChildProcess): () => string {
  let words = '';
  worker.stderr?.on('data', (bytes: Buffer) => {
    words = (words + bytes.toString('utf8')).slice(-LAST_WORDS_CHARACTERS_MAX);
  });
  return () => words;
}

/**
 * Writes the file to the process. That the process ends before it has read all of it is no failure of
 * the file's sender: its exit code tells. @returns what `pieces` threw. Never rejects.
 */
async function feed(
  worker: ChildProcess,
  pieces: AsyncIterable<Uint8Array>,
  onProgress: () => void,
): Promise<unknown> {
  let failure: unknown;
  const observed = observedPieces(pieces, {
    onPiece: onProgress,
    onFailure(error) {
      failure = error;
    },
  });
  try {
    await pipeline(streamOf(observed), worker.stdin!);
  } catch {
    if (failure !== undefined) worker.kill('SIGKILL');
  }
  return failure;
}

/** Calls `onStall` once nothing was touched for `stallMs`, unless it is paused. */
class StallWatch {
  readonly #stallMs: number;
  readonly #onStall: () => void;
  #timer: NodeJS.Timeout | undefined;
  hasFired = false;

  constructor(stallMs: number, onStall: () => void) {
    this.#stallMs = stallMs;
    this.#onStall = onStall;
    this.touch();
  }

  touch(): void {
    clearTimeout(this.#timer);
    if (this.hasFired) return;
    this.#timer = setTimeout(() => {
      this.hasFired = true;
      this.#onStall();
    }, this.#stallMs);
  }

  pause(): void {
    clearTimeout(this.#timer);
  }
}
