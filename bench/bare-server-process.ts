/** The process of a BareServer that answers the same to every question. */
import { createApp, listen } from '../ingest/uws.ts';
import { serveBareStream } from './bare-stream.ts';

const PROFILE = '"01234567-89ab-8def-8123-456789abcdef"';
const ONE = `{"profile":${PROFILE}}\n`;
const LOOK_UPS_PER_FRAME = 1000;
const MANY = `{"resolved":[${new Array(LOOK_UPS_PER_FRAME).fill(PROFILE).join(',')}],"id":1}`;

const app = createApp();
app.get('/*', (response) => {
  response.writeHeader('Content-Type', 'application/json');
  response.writeHeader('X-Content-Type-Options', 'nosniff');
  response.end(ONE);
});
serveBareStream(app, '{"hello":{}}', (socket) => socket.send(MANY));
process.send!(listen(app, '127.0.0.1', 0).port);
process.on('disconnect', () => process.exit());
