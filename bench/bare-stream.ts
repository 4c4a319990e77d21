/** The WebSocket of a BareServer: it greets, and takes frames as they come. */
import { MIB } from '../base/units.ts';
import { serveStreams, type TemplatedApp, type WebSocket } from '../ingest/uws.ts';

const FRAME_BYTES_MAX = MIB;

/** @param onFrame must be done with the frame's memory when it returns. */
export function serveBareStream(
  app: TemplatedApp,
  greeting: string,
  onFrame: (socket: WebSocket<unknown>, frame: ArrayBuffer) => void,
): void {
  serveStreams(app, '/v1/stream', {
    messageBytesMax: FRAME_BYTES_MAX,
    idleSeconds: 0,
    unreadBytesMax: FRAME_BYTES_MAX,
    upgrade(response, request, context) {
      const key = request.getHeader('sec-websocket-key');
      const protocol = request.getHeader('sec-websocket-protocol');
      response.upgrade({}, key, protocol, '', context);
    },
    open: (socket) => socket.send(greeting),
    message: onFrame,
    close: () => undefined,
  });
}
