/**
 * The WebSocket endpoint `/v1/stream`: upgrades, the set of open sessions, orderly closing.
 *
 * - A key in the head of the upgrade is checked before the upgrade; a stream without one has
 *   `LIMITS.streamHelloMs` to send it.
 * - At most `LIMITS.streamSocketsMax` streams; one that leaves its answers unread is closed.
 * - A stream is a request of its address that is under way for as long as it is open.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { AddressLimit } from './address-limit.ts';
import { requireReady } from './batch-intake.ts';
import { keyOfAuthorization, keyOfProtocols } from './credentials.ts';
import { asTributaryError, HttpExchange } from './http-exchange.ts';
import type { ApplianceState } from './ports.ts';
import { requireTaken } from './query-parameters.ts';
import type { Senders } from './senders.ts';
import { CLOSE, FRAME_HEAD_BYTES_MAX, STREAM_PROTOCOL } from './stream-protocol.ts';
import { parseResume, RESUME_RULE, type StreamResume } from './stream-resume.ts';
import {
  principalsOf,
  type StreamContext,
  type StreamPrincipals,
  StreamSession,
  type StreamUpgrade,
} from './stream-session.ts';
import {
  type HttpRequest,
  type HttpResponse,
  serveStreams,
  type TemplatedApp,
  type UpgradeContext,
  type WebSocket,
} from './uws.ts';

/** What travels with a socket of the library. */
interface SocketData extends StreamUpgrade {
  session: StreamSession | undefined;
  helloTimer: NodeJS.Timeout | undefined;
  isClosed: boolean;
}

/** How often credit that is owed is looked at again, and streams that are gone for long are forgotten. */
const TICK_INTERVAL_MS = 50;
/** How often a closing server looks whether everything is answered. */
const DRAIN_INTERVAL_MS = 5;
/** The query parameters of the upgrade. */
const STREAM_KEYS = ['stream', 'acknowledged'] as const;
/** A batch slightly too large gets a nack; a message beyond this ends the connection. */
const MESSAGE_SLACK = 64 * 1024;

interface StreamServerContext extends StreamContext {
  readonly addresses: AddressLimit;
  readonly senders: Senders;
}

export class StreamServer {
  readonly #context: StreamServerContext;
  readonly #state: () => ApplianceState;
  readonly #sessions = new Set<StreamSession>();
  readonly #tickTimer: NodeJS.Timeout;

  constructor(app: TemplatedApp, context: StreamServerContext, state: () => ApplianceState) {
    this.#context = context;
    this.#state = state;
    serveStreams<SocketData>(app, '/v1/stream', {
      messageBytesMax: LIMITS.batchBytesMax + FRAME_HEAD_BYTES_MAX + MESSAGE_SLACK,
      idleSeconds: LIMITS.streamIdleSeconds,
      unreadBytesMax: LIMITS.streamUnreadBytesMax,
      upgrade: (response, request, upgrade) => this.#upgrade(response, request, upgrade),
      open: (socket) => this.#open(socket),
      message: (socket, message, isBinary) =>
        socket.getUserData().session?.receive(new Uint8Array(message), isBinary),
      close: (socket) => this.#close(socket),
    });
    this.#tickTimer = setInterval(() => this.#tick(), TICK_INTERVAL_MS);
    this.#tickTimer.unref();
  }

  get socketCount(): number {
    return this.#sessions.size;
  }

  /**
   * Waits until every batch under way is answered, then closes each stream with 1001. New batches are
   * nacked meanwhile, since the appliance says that it stops.
   */
  async drain(timeoutMs: number): Promise<void> {
    const { clock } = this.#context;
    const deadline = clock.monotonicMs() + timeoutMs;
    while (this.#outstanding() > 0 && clock.monotonicMs() < deadline) await pause();
    for (const session of this.#sessions) session.end(CLOSE.goingAway, 'the appliance stops', 0);
    while (this.#sessions.size > 0 && clock.monotonicMs() < deadline) await pause();
    clearInterval(this.#tickTimer);
  }

  #outstanding(): number {
    let outstanding = 0;
    for (const session of this.#sessions) outstanding += session.outstanding;
    return outstanding;
  }

  #tick(): void {
    for (const session of this.#sessions) session.settle();
    this.#context.ledger.prune();
  }

  #upgrade(response: HttpResponse, request: HttpRequest, upgrade: UpgradeContext): void {
    try {
      const principals = this.#admit(request);
      requireTaken(request, STREAM_KEYS);
      const resume = resumeOfQuery(request);
      const sender = this.#context.senders.of(response, request);
      const crowd = this.#context.addresses.enter(sender.group);
      if (crowd !== undefined) throw crowd;
      const data: SocketData = {
        principals,
        resume,
        sender,
        session: undefined,
        helloTimer: undefined,
        isClosed: false,
      };
      const offered = request.getHeader('sec-websocket-protocol');
      response.upgrade(
        data,
        request.getHeader('sec-websocket-key'),
        offered.includes(STREAM_PROTOCOL) ? STREAM_PROTOCOL : '',
        request.getHeader('sec-websocket-extensions'),
        upgrade,
      );
    } catch (error) {
      new HttpExchange(response, request).answerError(asTributaryError(error));
    }
  }

  /** @throws TributaryError when there is no room, or the key in the head is not known. */
  #admit(request: HttpRequest): StreamPrincipals | undefined {
    requireReady(this.#state());
    const count = this.#sessions.size;
    const limit = LIMITS.streamSocketsMax;
    if (count >= limit) throw new TributaryError('TRIBUTARY_INGEST_SOCKETS_FULL', { count, limit });
    const key =
      keyOfAuthorization(request.getHeader('authorization')) ??
      keyOfProtocols(request.getHeader('sec-websocket-protocol'));
    if (key === undefined) return undefined;
    const principals = principalsOf(this.#context.authenticator, key);
    if (principals !== undefined) return principals;
    throw new TributaryError('TRIBUTARY_ACCESS_KEY_UNKNOWN', { kind: 'write' });
  }

  #open(socket: WebSocket<SocketData>): void {
    const data = socket.getUserData();
    // The library throws for a socket that is gone, and a send may be what makes it go.
    const port = {
      get unreadBytes() {
        return data.isClosed ? 0 : socket.getBufferedAmount();
      },
      send: (text: string | Uint8Array) => {
        if (!data.isClosed) socket.send(text);
      },
      end: (code: number, reason: string) => {
        if (!data.isClosed) socket.end(code, reason);
      },
    };
    const session = new StreamSession(port, this.#context, data);
    data.session = session;
    this.#sessions.add(session);
    if (session.isAuthenticated) return;
    data.helloTimer = setTimeout(() => {
      if (!session.isAuthenticated) session.end(CLOSE.helloLate, 'no key was sent in time');
    }, LIMITS.streamHelloMs);
  }

  #close(socket: WebSocket<SocketData>): void {
    const data = socket.getUserData();
    data.isClosed = true;
    this.#context.addresses.leave(data.sender.group);
    clearTimeout(data.helloTimer);
    if (data.session === undefined) return;
    data.session.close();
    this.#sessions.delete(data.session);
  }
}

/** @throws TributaryError TRIBUTARY_INGEST_REQUEST_INVALID when the stream of the URL cannot be one. */
function resumeOfQuery(request: HttpRequest): StreamResume | undefined {
  const stream = request.getQuery('stream');
  if (stream === undefined) return undefined;
  const text = request.getQuery('acknowledged');
  const acknowledged = text === '' ? Number.NaN : text === undefined ? undefined : Number(text);
  const resume = parseResume(stream, acknowledged);
  if (resume !== undefined) return resume;
  throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason: RESUME_RULE });
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, DRAIN_INTERVAL_MS));
}
