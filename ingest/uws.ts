/**
 * The only module that imports uWebSockets.js.
 *
 * The package is `uws-pack` 20.0.8, which carries the binaries of uWebSockets.js 20.49 for Node 18 to 22:
 * upstream publishes to no registry, and its current releases need a newer Node. Move to upstream's own
 * package when the appliance does; nothing outside this module knows the difference.
 *
 * What callers must know of the library:
 * - `HttpRequest` is gone when the handler returns; an `ArrayBuffer` it hands over is gone when that
 *   callback returns. Read or copy at once.
 * - A response that is answered later needs `onAborted`; touching it afterwards throws.
 * - Options that it does not like end the process, so they are checked here first.
 * - What `pause` asks for holds from the next read that does not fill the library's buffer of 512 KiB: until then it
 *   reads on, and hands over, in one go. {@link listen} has the kernel hold less than that for a connection.
 * - A request whose bytes are cut between its path and the end of its first line is answered with 505 and a close:
 *   clients that pipeline far ahead see it (docs/http.md).
 */
import {
  App,
  type HttpRequest,
  type HttpResponse,
  type TemplatedApp,
  us_listen_socket_close,
  us_socket_local_port,
  type WebSocket,
  type WebSocketBehavior,
} from 'uWebSockets.js';
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { boundReceiveBuffers } from '../engine/receive-buffers.ts';

export type { HttpRequest, HttpResponse, TemplatedApp, WebSocket };

/** An upgrade that is accepted synchronously: `context` is the library's own handle. */
export type UpgradeContext = Parameters<NonNullable<WebSocketBehavior<unknown>['upgrade']>>[2];

export interface StreamBehavior<UserData> {
  readonly messageBytesMax: number;
  /** 0 (never) or 8 to 960; others end the process. */
  readonly idleSeconds: number;
  /** Unread bytes beyond which the socket is closed. */
  readonly unreadBytesMax: number;
  upgrade(response: HttpResponse, request: HttpRequest, context: UpgradeContext): void;
  open(socket: WebSocket<UserData>): void;
  message(socket: WebSocket<UserData>, message: ArrayBuffer, isBinary: boolean): void;
  close(socket: WebSocket<UserData>, code: number): void;
}

export interface ListeningSocket {
  readonly port: number;
  /** Takes no more connections; open ones stay. Idempotent. */
  close(): void;
}

type ListenToken = Parameters<typeof us_listen_socket_close>[0];
/** LIBUS_LISTEN_EXCLUSIVE_PORT, which the package's declarations leave out. */
const EXCLUSIVE_PORT = 1;
/** The declarations also miss the form with a host and options, which the code has. */
type ListenExclusively = (
  host: string,
  port: number,
  options: number,
  listening: (token: ListenToken | false) => void,
) => void;

export function createApp(): TemplatedApp {
  return App();
}

/** Connections, of HTTP and WebSocket together. */
export interface ConnectionCount {
  readonly open: number;
  /** Closed at once because `max` were open. */
  readonly refused: number;
}

/** Counts connections, and closes one beyond `max` before anything is read from it. */
export function limitConnections(app: TemplatedApp, max: number): ConnectionCount {
  const count = { open: 0, refused: 0 };
  const onChange = (response: HttpResponse, change: number): void => {
    count.open += change;
    if (change < 0 || count.open <= max) return;
    count.refused += 1;
    response.close(); // Comes back here with -1 before it returns.
  };
  app.filter(onChange);
  return count;
}

/** Serves WebSocket connections at `path`. Compression is off: it costs more than a local network. */
export function serveStreams<UserData>(
  app: TemplatedApp,
  path: string,
  behavior: StreamBehavior<UserData>,
): void {
  const { idleSeconds, messageBytesMax, unreadBytesMax } = behavior;
  assert(
    idleSeconds === 0 || (idleSeconds >= 8 && idleSeconds <= 960),
    'a WebSocket idle timeout is 0 or 8 to 960 seconds',
  );
  assert(Number.isSafeInteger(messageBytesMax), 'a WebSocket message limit is an integer');
  app.ws<UserData>(path, {
    maxPayloadLength: messageBytesMax,
    idleTimeout: idleSeconds,
    maxBackpressure: unreadBytesMax,
    closeOnBackpressureLimit: true,
    sendPingsAutomatically: true,
    compression: 0,
    upgrade: behavior.upgrade,
    open: behavior.open,
    message: behavior.message,
    close: (socket, code) => behavior.close(socket, code),
  });
}

/**
 * Listens on a port nobody else may share: two appliances on one port would each get half of the events.
 * @param port 0 takes a free one.
 * @throws TributaryError TRIBUTARY_CONFIG_LISTEN_FAILED
 */
export function listen(app: TemplatedApp, host: string, port: number): ListeningSocket {
  assert(Number.isInteger(port) && port >= 0 && port <= 65_535, 'a port is 0 to 65535');
  let token: ListenToken | false = false;
  const listenExclusively = app.listen.bind(app) as unknown as ListenExclusively;
  listenExclusively(host, port, EXCLUSIVE_PORT, (result) => {
    token = result;
  });
  if (token === false) throw new TributaryError('TRIBUTARY_CONFIG_LISTEN_FAILED', { host, port });
  const socket: ListenToken = token;
  const boundPort = us_socket_local_port(socket);
  boundReceiveBuffers(boundPort);
  let open = true;
  return {
    port: boundPort,
    close() {
      if (open) us_listen_socket_close(socket);
      open = false;
    },
  };
}
