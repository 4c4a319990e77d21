/**
 * The tracking API over HTTP, as Segment's, RudderStack's and Jitsu's SDKs call it; the paths are in
 * tracking-paths.ts. docs/http.md is the contract.
 *
 * - 200 is sent only when every accepted event of the batch is durable.
 * - Content-Type is ignored but for NDJSON and msgpack: SDKs send JSON as text/plain and even as a form.
 * - The key is looked at before the body where a header carries it.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { SECOND_MICROS } from '../base/units.ts';
import type { WritePrincipal } from '../engine/control.ts';
import type { EventType } from '../engine/types.ts';
import type { AddressLimit } from './address-limit.ts';
import { type BatchIntake, describeOutcome } from './batch-intake.ts';
import { readBody } from './body-reader.ts';
import type { BodyWatch } from './body-watch.ts';
import type { ByteBudget } from './byte-budget.ts';
import { authenticateWriteKey, keyOfAuthorization, keyOfBody } from './credentials.ts';
import { asTributaryError, HttpExchange } from './http-exchange.ts';
import { type BodyFormat, formatOf } from './import-formats.ts';
import { LineJoiner } from './import-ndjson.ts';
import { type ContentEncoding, inflate, parseEncoding } from './inflate.ts';
import type { Authenticator } from './ports.ts';
import type { Sender, Senders } from './senders.ts';
import { TRACKING_PATHS } from './tracking-paths.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

/** What it makes is handed over before the next body is looked at. */
const lineJoiner = new LineJoiner();

export interface TrackingContext {
  readonly authenticator: Authenticator;
  readonly intake: BatchIntake;
  readonly inFlight: ByteBudget;
  readonly bodies: BodyWatch;
  readonly addresses: AddressLimit;
  readonly senders: Senders;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What was read from a request's head, before the request object goes away. */
interface TrackingHead {
  readonly receivedAtMicros: number;
  readonly typeOfPath: EventType | null;
  readonly sender: Sender;
  readonly headerKey: string | undefined;
  readonly queryKey: string | undefined;
  /** As it was written, and what it means: undefined when it is not understood. */
  readonly encodingText: string;
  readonly encoding: ContentEncoding | undefined;
  readonly declaredBytes: number;
  readonly isStrict: boolean;
  readonly format: BodyFormat;
  /** How often the client has sent this batch before, by its own count; 0 when it does not say. */
  readonly retryCount: number;
}

export function serveTracking(app: TemplatedApp, context: TrackingContext): void {
  for (const [path, type] of TRACKING_PATHS) {
    app.post(path, (response, request) => handleTracking(context, type, response, request));
  }
}

function handleTracking(
  context: TrackingContext,
  typeOfPath: EventType | null,
  response: HttpResponse,
  request: HttpRequest,
): void {
  const exchange = new HttpExchange(response, request, true);
  const sender = context.senders.of(response, request);
  const head = readHead(request, sender, typeOfPath, context.clock.nowMicros());
  context.intake.countRetry(head.retryCount);
  const early = earlyRefusal(context, exchange, head);
  if (early !== undefined) {
    if (early.status >= 429) context.intake.countRefusal(early);
    refuse(context, exchange, early);
    return;
  }
  const { bodies: watch, inFlight: budget } = context;
  const bounds = { bytesMax: LIMITS.batchBytesMax, budget, watch };
  readBody(exchange, head.declaredBytes, bounds, {
    receive(body, release) {
      takeBody(context, exchange, head, body)
        .catch((error: unknown) => answerFailure(context, exchange, error))
        .finally(release);
    },
    refuse(error, closeConnection) {
      context.intake.countRefusal(error);
      refuse(context, exchange, error, closeConnection);
    },
  });
}

function readHead(
  request: HttpRequest,
  sender: Sender,
  typeOfPath: EventType | null,
  receivedAtMicros: number,
): TrackingHead {
  const headerKey =
    keyOfAuthorization(request.getHeader('authorization')) ?? request.getHeader('x-write-key');
  const encodingText = request.getHeader('content-encoding');
  return {
    receivedAtMicros,
    typeOfPath,
    sender,
    headerKey: headerKey === '' ? undefined : headerKey,
    queryKey: request.getQuery('writeKey') || undefined,
    encodingText,
    encoding: parseEncoding(encodingText),
    declaredBytes: Number(request.getHeader('content-length')) || 0,
    isStrict: request.getHeader('x-strict-mode') === '1',
    format: formatOf(request.getHeader('content-type')),
    retryCount: Number(request.getHeader('x-retry-count')) || 0,
  };
}

/** What the head alone is enough to refuse: the body is then not read. */
function earlyRefusal(
  context: TrackingContext,
  exchange: HttpExchange,
  head: TrackingHead,
): TributaryError | undefined {
  const { addresses, authenticator, intake } = context;
  const { encoding, encodingText, headerKey } = head;
  const { group } = head.sender;
  const crowd = addresses.enter(group);
  if (crowd !== undefined) return crowd;
  exchange.onOver(() => addresses.leave(group));
  if (encoding === undefined) {
    return new TributaryError('TRIBUTARY_INGEST_ENCODING_UNKNOWN', { encoding: encodingText });
  }
  if (headerKey === undefined) return undefined;
  const principal = authenticateWriteKey(authenticator, headerKey);
  return principal === undefined ? keyUnknown() : intake.refusalOf(principal);
}

/** Reads `body` before its first await, as a body that is not inflated is lent only until then. */
async function takeBody(
  context: TrackingContext,
  exchange: HttpExchange,
  head: TrackingHead,
  body: Uint8Array,
): Promise<void> {
  const { encoding = 'identity' } = head;
  if (encoding === 'identity') return appendBody(context, exchange, head, body);
  const inflated = await inflate(encoding, body.slice(), LIMITS.batchBytesMax, context.inFlight);
  try {
    await appendBody(context, exchange, head, inflated);
  } finally {
    context.inFlight.release(inflated.length);
  }
}

async function appendBody(
  context: TrackingContext,
  exchange: HttpExchange,
  head: TrackingHead,
  body: Uint8Array,
): Promise<void> {
  const principal = authenticate(head, body, context.authenticator);
  const { receivedAtMicros, typeOfPath } = head;
  const joined = head.format === 'ndjson' ? lineJoiner.join(body) : undefined;
  if (joined instanceof TributaryError) {
    context.intake.countRefusal(joined);
    throw joined;
  }
  const outcome = await context.intake.append(
    principal,
    head.format === 'msgpack' ? 'msgpack' : 'json',
    joined?.bytes ?? body,
    receivedAtMicros,
    {
      typeOfPath: typeOfPath ?? undefined,
      senderAddress: head.sender.address,
      joinedRows: joined?.rows,
    },
  );
  const described = describeOutcome(outcome);
  const rejected = outcome.received - outcome.accepted - outcome.duplicates;
  if (head.isStrict && rejected > 0) {
    const { received } = outcome;
    const error = new TributaryError('TRIBUTARY_INGEST_STRICT_REJECTED', { rejected, received });
    exchange.answerError(error, { details: described });
  } else {
    exchange.answer(200, { success: true, ok: true, ...described });
  }
}

/** @throws TributaryError TRIBUTARY_ACCESS_KEY_MISSING or _KEY_UNKNOWN */
function authenticate(
  head: TrackingHead,
  body: Uint8Array,
  authenticator: Authenticator,
): WritePrincipal {
  const key =
    head.headerKey ?? (head.format === 'msgpack' ? undefined : keyOfBody(body)) ?? head.queryKey;
  if (key === undefined) throw keyMissing();
  const principal = authenticateWriteKey(authenticator, key);
  if (principal === undefined) throw keyUnknown();
  return principal;
}

export function keyMissing(): TributaryError {
  return new TributaryError('TRIBUTARY_ACCESS_KEY_MISSING', { kind: 'write' });
}

export function keyUnknown(): TributaryError {
  return new TributaryError('TRIBUTARY_ACCESS_KEY_UNKNOWN', { kind: 'write' });
}

function answerFailure(context: TrackingContext, exchange: HttpExchange, error: unknown): void {
  const answered = asTributaryError(error);
  if (answered.status === 500) context.logger.log('error', 'a batch failed', { error });
  refuse(context, exchange, answered);
}

/** Answers an error with the time to wait, also in the older header that some SDKs read. */
function refuse(
  { clock, intake }: TrackingContext,
  exchange: HttpExchange,
  error: TributaryError,
  close = false,
): void {
  const retryAfterSeconds = intake.retryAfterSeconds(error);
  if (error.status !== 429) {
    exchange.answerError(error, { close, retryAfterSeconds });
    return;
  }
  const reset = Math.ceil(clock.nowMicros() / SECOND_MICROS) + retryAfterSeconds;
  const headers = { 'X-RateLimit-Reset': String(reset) };
  exchange.answerError(error, { close, retryAfterSeconds, headers });
}
