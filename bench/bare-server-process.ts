/** The process of a BareServer that answers the same to every question. */
import { createApp, listen, serveStreams } from '../ingest/uws.ts';

const PROFILE = '"01234567-89ab-8def-8123-456789abcdef"';
const ONE = `{"profile":${PROFILE}}\n`;
const LOOK_UPS_PER_FRAME = 1000;
const MANY = `{"resolved":[${new Array(LOOK_UPS_PER_FRAME).fill(PROFILE).join(',')}],"id":1}`;
const MESSAGE_BYTES_MAX = 2 ** 20;

const app = createApp();
app.get('/*', (response) => {
  response.writeHeader('Content-Type', 'application/json');
  response.writeHeader('X-Content-Type-Options', 'nosniff');
  response.end(ONE);
});
serveStreams(app, '/v1/stream', {
  messageBytesMax: MESSAGE_BYTES_MAX,
  idleSeconds: 0,
  unreadBytesMax: MESSAGE_BYTES_MAX,
  upgrade(response, request, context) {
    const key = request.getHeader('sec-websocket-key');
    const protocol = request.getHeader('sec-websocket-protocol');
    response.upgrade({}, key, protocol, '', context);
  },
  open: (socket) => socket.send('{"hello":{}}'),
  message: (socket) => socket.send(MANY),
  close: () => undefined,
});
process.send!(listen(app, '127.0.0.1', 0).port);
process.on('disconnect', () => process.exit());
