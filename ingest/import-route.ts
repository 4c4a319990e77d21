/**
 * `POST /v1/import?format=…&import_id=…`: a body of any length, stored batch by batch while it
 * arrives. `GET /v1/import/{id}` tells how far one is. docs/formats.md is the contract.
 *
 * - `LIMITS.importBatchesUnderWay` batches of an import are under way at a time; the body waits for them in the
 *   client's socket.
 * - A batch that is refused for load is tried again for {@link RETRIES_MAX} seconds, once those before it are
 *   stored; everything else ends the import. What was stored stays, and the answer says which row to go on from.
 * - Of Arrow and Parquet, which may need processes of their own, there are `LIMITS.importFilesMax` at once.
 * - An import takes {@link MEMORY_BYTES} of the budget of bytes in flight, whatever its length. One of Arrow takes a
 *   record batch more, which is held whole; where that is too much a process reads it, in memory of its own.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import type { WritePrincipal } from '../engine/control.ts';
import type { BatchOutcome, Codec } from '../engine/types.ts';
import type { BatchIntake } from './batch-intake.ts';
import { type ByteBudget, inFlightFull } from './byte-budget.ts';
import { authenticateWriteKey, keyOfAuthorization } from './credentials.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import { isImportId } from './import-batcher.ts';
import { ImportBody } from './import-body.ts';
import type { ImportProgress, ImportRegistry } from './import-registry.ts';
import {
  batchesOfImport,
  IMPORT_FORMATS,
  type ImportFormat,
  type ImportSource,
  isFileFormat,
} from './import-rows.ts';
import { type AppendedRows, appendReadable, isUnreadable } from './import-salvage.ts';
import { ImportSession } from './import-session.ts';
import { parseEncoding } from './inflate.ts';
import type { Authenticator } from './ports.ts';
import { requireTaken } from './query-parameters.ts';
import { keyMissing, keyUnknown } from './tracking-routes.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

/** Batches with their ids, what is held of the next one, and the piece that came last. */
const MEMORY_BYTES = (LIMITS.importBatchesUnderWay + 4) * MIB;
const RETRIES_MAX = 30;

export interface ImportContext {
  readonly authenticator: Authenticator;
  readonly intake: BatchIntake;
  readonly inFlight: ByteBudget;
  readonly clock: Clock;
  readonly imports: ImportRegistry;
}

/** Processes that read a file now. */
interface FileReaders {
  count: number;
}

export function serveImports(app: TemplatedApp, context: ImportContext): void {
  const readers: FileReaders = { count: 0 };
  app.post('/v1/import', (response, request) => {
    const exchange = new HttpExchange(response, request);
    answeringErrors(exchange, () => startImport(context, readers, exchange, request));
  });
  serveGet(app, '/v1/import/:id', (response, request) => {
    const exchange = new HttpExchange(response, request);
    answeringErrors(exchange, () => {
      const { tenantId } = authenticate(request, context.authenticator);
      requireTaken(request, ['writeKey']);
      exchange.answer(200, context.imports.progressOf(tenantId, request.getParameter(0) ?? ''));
    });
  });
}

function answeringErrors(exchange: HttpExchange, handle: () => void): void {
  try {
    handle();
  } catch (error) {
    exchange.answerError(asTributaryError(error));
  }
}

function startImport(
  context: ImportContext,
  readers: FileReaders,
  exchange: HttpExchange,
  request: HttpRequest,
): void {
  const { clock, imports: registry, inFlight } = context;
  const principal = authenticate(request, context.authenticator);
  requireTaken(request, ['format', 'import_id', 'from_row', 'writeKey']);
  const source = readParameters(request);
  const { firstRow, format, importId } = source;
  if (isFileFormat(format)) requireReader(readers);
  if (!inFlight.tryTake(MEMORY_BYTES)) throw inFlightFull(inFlight);
  let progress: ImportProgress;
  try {
    progress = registry.start(principal.tenantId, importId, firstRow);
  } catch (error) {
    inFlight.release(MEMORY_BYTES);
    throw error;
  }
  if (isFileFormat(format)) readers.count += 1;
  const recordBytesMax = takeRecordBatch(inFlight, format);
  const body = new ImportBody(exchange);
  const { areLines, batches, codec } = batchesOfImport(source, body, recordBytesMax);
  const isOver = (): boolean => exchange.over;
  const session = new ImportSession({
    exchange,
    body,
    batches,
    registry,
    progress,
    clock,
    append: ({ bytes, rows }, before) =>
      appendBatch(context, { principal, codec, areLines, bytes, rows, before, isOver }),
  });
  void session.run().finally(() => {
    inFlight.release(MEMORY_BYTES + recordBytesMax);
    if (isFileFormat(format)) readers.count -= 1;
  });
}

/** @returns bytes that were taken for a record batch. */
function takeRecordBatch(inFlight: ByteBudget, format: ImportFormat): number {
  const bytes = LIMITS.importRecordBatchBytesMax;
  return format === 'arrow' && inFlight.tryTake(bytes) ? bytes : 0;
}

/** @throws TRIBUTARY_INGEST_IMPORT_FILES_FULL */
function requireReader({ count }: FileReaders): void {
  const limit = LIMITS.importFilesMax;
  if (count < limit) return;
  throw new TributaryError('TRIBUTARY_INGEST_IMPORT_FILES_FULL', { count, limit });
}

/** @throws TRIBUTARY_INGEST_REQUEST_INVALID, TRIBUTARY_INGEST_ENCODING_UNKNOWN */
function readParameters(request: HttpRequest): ImportSource {
  const invalid = (reason: string): TributaryError =>
    new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
  const header = request.getHeader('content-encoding');
  const encoding = parseEncoding(header);
  if (encoding === undefined) {
    throw new TributaryError('TRIBUTARY_INGEST_ENCODING_UNKNOWN', { encoding: header });
  }
  const format = IMPORT_FORMATS.find((name) => name === request.getQuery('format'));
  if (format === undefined) throw invalid(`format is none of: ${IMPORT_FORMATS.join(', ')}`);
  const importId = request.getQuery('import_id') ?? '';
  if (!isImportId(importId)) {
    throw invalid('import_id is not 1 to 64 letters, digits, dots, dashes and underscores');
  }
  const firstRow = Number(request.getQuery('from_row') || 0);
  if (!Number.isSafeInteger(firstRow) || firstRow < 0) throw invalid('from_row is not a row');
  return { format, encoding, importId, firstRow };
}

/** @throws TRIBUTARY_ACCESS_KEY_MISSING or _KEY_UNKNOWN */
function authenticate(request: HttpRequest, authenticator: Authenticator): WritePrincipal {
  const key =
    keyOfAuthorization(request.getHeader('authorization')) ||
    request.getHeader('x-write-key') ||
    request.getQuery('writeKey');
  if (!key) throw keyMissing();
  const principal = authenticateWriteKey(authenticator, key);
  if (principal === undefined) throw keyUnknown();
  return principal;
}

interface BatchToAppend {
  readonly principal: WritePrincipal;
  readonly codec: Codec;
  readonly areLines: boolean;
  readonly bytes: Uint8Array;
  readonly rows: number;
  /** Settles when the batches before it are decided. */
  readonly before: Promise<unknown>;
  /** Whether the client is gone. */
  isOver(): boolean;
}

/** Stores a batch, or what of its lines can be read. */
async function appendBatch(context: ImportContext, batch: BatchToAppend): Promise<AppendedRows> {
  const { areLines, bytes, rows } = batch;
  const append = (part: Uint8Array, joinedRows: number): Promise<BatchOutcome> =>
    appendPatiently(context, batch, part, joinedRows);
  try {
    return { outcomes: [await append(bytes, rows)] };
  } catch (error) {
    if (!areLines || !isUnreadable(error)) throw error;
    await batch.before;
    return appendReadable(bytes, error, append);
  }
}

/** Stores a batch or a part of it; waits while the appliance is busy, and the client is there. */
async function appendPatiently(
  { clock, intake }: ImportContext,
  { principal, codec, before, isOver }: BatchToAppend,
  bytes: Uint8Array,
  joinedRows: number,
): Promise<BatchOutcome> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await intake.append(principal, codec, bytes, clock.nowMicros(), { joinedRows });
    } catch (error) {
      const isBusy = error instanceof TributaryError && error.status === 429;
      if (!isBusy || attempt === RETRIES_MAX || isOver()) throw error;
      // Rows keep their order, as far as it is up to us.
      await before;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
