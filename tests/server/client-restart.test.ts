import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'undici';
import { FileBatchStore } from '../../ingest/client/file-store.ts';
import { type Receipt, TributaryStream } from '../../ingest/client/index.ts';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

test('an appliance killed twice and stopped once in the middle of a stream has every event once', async () => {
  const appliance = await ApplianceProcess.start();
  const directory = mkdtempSync(join(tmpdir(), 'tributary-store-'));
  const stream = await TributaryStream.open({
    url: `ws://127.0.0.1:${appliance.port}/v1/stream`,
    writeKey: WRITE_KEY,
    WebSocket,
    batchEventsMax: 50,
    bufferBytesMax: 1024 * 1024,
    backoffMsMin: 5,
    backoffMsMax: 50,
    store: new FileBatchStore(directory),
  });
  try {
    let isOver = false;
    const receipts: Receipt[] = [];
    const sending = (async () => {
      for (let index = 0; !isOver; index += 20) {
        const events = Array.from({ length: 20 }, (_, offset) => ({
          type: 'track',
          event: 'Seen',
          userId: `u${index + offset}`,
        }));
        receipts.push(await stream.send(events));
      }
    })();
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
      await delay(150);
      await appliance.stop(signal);
      await appliance.restart();
    }
    await delay(100);
    isOver = true;
    await sending;
    for (const { outcome } of receipts) assert.deepEqual((await outcome).rejected, []);
    const { rows } = await appliance.sql(
      'SELECT count(*)::INTEGER, count(DISTINCT user_id)::INTEGER FROM events',
    );
    const total = receipts.length * 20;
    assert.ok(total > 1000);
    assert.deepEqual(rows, [[total, total]]);
    await stream.close();
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    await stream.close(0);
    await appliance.remove();
    rmSync(directory, { recursive: true, force: true });
  }
});
