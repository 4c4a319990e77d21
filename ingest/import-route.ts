/**
 * `POST /v1/import?format=ndjson&import_id=…`: a body of any length, stored batch by batch while it
 * arrives. `GET /v1/import/{id}` tells how far one is. docs/formats.md is the contract.
 *
 * - One batch of an import is under way at a time; the body waits for it in the client's socket.
 * - A batch that is refused for load is tried again for {@link RETRIES_MAX} seconds; everything else
 *   ends the import. What was stored stays, and the answer says which row to go on from.
 * - An import takes {@link MEMORY_BYTES} of the budget of bytes in flight, whatever its length.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import type { WritePrincipal } from '../engine/control.ts';
import type { BatchIntake } from './batch-intake.ts';
import { type ByteBudget, inFlightFull } from './byte-budget.ts';
import { authenticateWriteKey, keyOfAuthorization } from './credentials.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import { type ImportBatch, ImportBatcher, isImportId } from './import-batcher.ts';
import { type ImportProgress, ImportRegistry } from './import-registry.ts';
import type { Authenticator } from './ports.ts';
import { keyMissing, keyUnknown } from './tracking-routes.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

/** A batch with its ids, what is held of the next one, and the piece that came last. */
const MEMORY_BYTES = 5 * MIB;
const RETRIES_MAX = 30;
/** The answer has a line of progress at most this often. */
const PROGRESS_MS = 1000;

export interface ImportContext {
  readonly authenticator: Authenticator;
  readonly intake: BatchIntake;
  readonly inFlight: ByteBudget;
  readonly clock: Clock;
}

export function serveImports(app: TemplatedApp, context: ImportContext): void {
  const registry = new ImportRegistry();
  app.post('/v1/import', (response, request) => {
    const exchange = new HttpExchange(response, request);
    answeringErrors(exchange, () => startImport(context, registry, exchange, request));
  });
  serveGet(app, '/v1/import/:id', (response, request) => {
    const exchange = new HttpExchange(response, request);
    answeringErrors(exchange, () => {
      const { tenantId } = authenticate(request, context.authenticator);
      exchange.answer(200, registry.progressOf(tenantId, request.getParameter(0) ?? ''));
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
  registry: ImportRegistry,
  exchange: HttpExchange,
  request: HttpRequest,
): void {
  const { clock, inFlight } = context;
  const principal = authenticate(request, context.authenticator);
  const { importId, firstRow } = readParameters(request);
  if (!inFlight.tryTake(MEMORY_BYTES)) throw inFlightFull(inFlight);
  exchange.onOver(() => inFlight.release(MEMORY_BYTES));
  const progress = registry.start(principal.tenantId, importId, firstRow);
  const append = (batch: ImportBatch): Promise<void> =>
    appendBatch(context, principal, batch, progress, () => exchange.over);
  const batcher = new ImportBatcher(importId, firstRow);
  new ImportSession(exchange, batcher, progress, append, clock).start();
}

/** @throws TRIBUTARY_INGEST_REQUEST_INVALID, TRIBUTARY_INGEST_ENCODING_UNKNOWN */
function readParameters(request: HttpRequest): { importId: string; firstRow: number } {
  const invalid = (reason: string): TributaryError =>
    new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
  const encoding = request.getHeader('content-encoding');
  if (encoding !== '' && encoding !== 'identity') {
    throw new TributaryError('TRIBUTARY_INGEST_ENCODING_UNKNOWN', { encoding });
  }
  if (request.getQuery('format') !== 'ndjson') throw invalid('format is none of: ndjson');
  const importId = request.getQuery('import_id') ?? '';
  if (!isImportId(importId)) {
    throw invalid('import_id is not 1 to 64 letters, digits, dots, dashes and underscores');
  }
  const firstRow = Number(request.getQuery('from_row') || 0);
  if (!Number.isSafeInteger(firstRow) || firstRow < 0) throw invalid('from_row is not a row');
  return { importId, firstRow };
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

/** Stores a batch and counts it; waits while the appliance is busy, and the client is there. */
async function appendBatch(
  { clock, intake }: ImportContext,
  principal: WritePrincipal,
  batch: ImportBatch,
  progress: ImportProgress,
  isOver: () => boolean,
): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const outcome = await intake.append(principal, 'json', batch.bytes, clock.nowMicros());
      progress.nextRow += batch.rows;
      progress.bytes += batch.importBytes;
      progress.accepted += outcome.accepted;
      progress.duplicates += outcome.duplicates;
      progress.rejected += outcome.rejected.length;
      return;
    } catch (error) {
      const isBusy = error instanceof TributaryError && error.status === 429;
      if (!isBusy || attempt === RETRIES_MAX || isOver()) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

/** The body of one import on its way into batches, and the answer beside it. */
class ImportSession {
  readonly #exchange: HttpExchange;
  readonly #response: HttpResponse;
  readonly #batcher: ImportBatcher;
  readonly #progress: ImportProgress;
  readonly #append: (batch: ImportBatch) => Promise<void>;
  readonly #clock: Clock;
  #isComplete = false;
  #isStoring = false;
  #hasFailed = false;
  /** Whether a line of the answer is out. */
  #hasBegun = false;
  #toldMs: number;

  constructor(
    exchange: HttpExchange,
    batcher: ImportBatcher,
    progress: ImportProgress,
    append: (batch: ImportBatch) => Promise<void>,
    clock: Clock,
  ) {
    this.#exchange = exchange;
    this.#response = exchange.response;
    this.#batcher = batcher;
    this.#progress = progress;
    this.#append = append;
    this.#clock = clock;
    this.#toldMs = clock.monotonicMs();
  }

  start(): void {
    this.#exchange.onGone(() => {
      if (!this.#isStoring) this.#interrupt();
    });
    this.#response.onData((buffer, isLast) => {
      if (this.#hasFailed) return;
      this.#batcher.push(new Uint8Array(buffer));
      this.#isComplete = isLast;
      if (!this.#isStoring) void this.#store();
    });
  }

  /** Stores every batch that is there, with the body held back meanwhile. Never rejects. */
  async #store(): Promise<void> {
    this.#isStoring = true;
    let isPaused = false;
    try {
      for (;;) {
        const batch = this.#batcher.take(this.#isComplete);
        if (batch === undefined) break;
        if (!isPaused && !this.#isComplete) {
          this.#response.pause();
          isPaused = true;
        }
        await this.#append(batch);
        if (this.#exchange.over) return this.#interrupt();
        this.#tell();
      }
      if (this.#isComplete) this.#finish();
      else if (isPaused) this.#response.resume();
    } catch (error) {
      if (isPaused && !this.#exchange.over) this.#response.resume();
      this.#fail(asTributaryError(error));
    } finally {
      this.#isStoring = false;
    }
  }

  #tell(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldMs < PROGRESS_MS) return;
    this.#toldMs = nowMs;
    this.#write(this.#progress);
  }

  #finish(): void {
    this.#progress.state = 'complete';
    this.#write(this.#progress);
    this.#exchange.finish();
  }

  /** The status tells of an error, unless a line of progress is out already. */
  #fail(error: TributaryError): void {
    this.#interrupt();
    if (this.#exchange.over) return;
    if (!this.#hasBegun) {
      this.#exchange.answerError(error, { details: this.#progress });
      return;
    }
    this.#write({ ...this.#progress, error: error.toJSON() });
    this.#exchange.finish();
  }

  #interrupt(): void {
    this.#hasFailed = true;
    if (this.#progress.state === 'running') this.#progress.state = 'interrupted';
  }

  #write(line: object): void {
    if (this.#exchange.over) return;
    if (!this.#hasBegun) this.#exchange.begin('application/x-ndjson', {});
    this.#hasBegun = true;
    this.#response.cork(() => this.#response.write(`${JSON.stringify(line)}\n`));
  }
}
