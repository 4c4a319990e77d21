import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MIB } from '../../base/units.ts';
import { createApp, listen } from '../../ingest/uws.ts';

const BODY_BYTES = 64 * MIB;
/** By then the kernel has seen how fast it is, and would hold whole mebibytes for it. */
const PIECES_BEFORE_PAUSE = 40;
/** Longer than the sender needs for half a mebibyte: it keeps ahead of who reads. */
const PIECE_MS = 2;
const SETTLE_MS = 500;

/** Sends a body as fast as it is read, from a thread of its own. */
const SENDER = `
  const { workerData } = require('node:worker_threads');
  const socket = require('node:net').connect(workerData.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: ' + workerData.bytes + '\\r\\n\\r\\n');
  socket.write(Buffer.alloc(workerData.bytes));
`;

function standStill(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

test('a body that is paused hands over nothing more, however fast its sender is', async (context) => {
  const app = createApp();
  let pieces = 0;
  let bytesAfterPause = 0;
  const paused = new Promise<void>((resolve) => {
    app.post('/', (response) => {
      response.onAborted(() => undefined);
      response.onData((piece) => {
        standStill(PIECE_MS);
        pieces += 1;
        if (pieces > PIECES_BEFORE_PAUSE) bytesAfterPause += piece.byteLength;
        if (pieces !== PIECES_BEFORE_PAUSE) return;
        response.pause();
        resolve();
      });
    });
  });
  const socket = listen(app, '127.0.0.1', 0);
  const sender = new Worker(SENDER, {
    eval: true,
    workerData: { port: socket.port, bytes: BODY_BYTES },
  });
  context.after(async () => {
    app.close();
    await sender.terminate();
  });
  await Promise.race([paused, once(sender, 'error')]);
  await sleep(SETTLE_MS);
  assert.equal(pieces, PIECES_BEFORE_PAUSE, `${bytesAfterPause} bytes came after the pause`);
});
