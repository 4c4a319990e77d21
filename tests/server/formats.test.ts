/** The same events in every format, through the real process: the same rows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packr } from 'msgpackr';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

const ROWS = 30_000;

function eventsOf(name: string): object[] {
  return Array.from({ length: 20 }, (_, index) => ({
    type: 'track',
    event: `Bought ${name}`,
    userId: index,
    timestamp: '2026-03-01T12:00:00.000Z',
    properties: { price: index / 4, text: `"é\n${index}"`, tags: [index, null, true], nested: {} },
  }));
}

test('the same events in any format are the same rows', async () => {
  const appliance = await ApplianceProcess.start();
  try {
    const post = async (type: string, body: string | Uint8Array): Promise<void> => {
      const headers = { Authorization: `Bearer ${WRITE_KEY}`, 'Content-Type': type };
      const response = await fetch(`${appliance.url}/v1/batch`, { method: 'POST', headers, body });
      assert.equal(response.status, 200, await response.text());
    };
    const context = { app: 'shop' };
    await post('application/json', JSON.stringify({ batch: eventsOf('json'), context }));
    const lines = eventsOf('ndjson').map((event) => JSON.stringify({ ...event, context }));
    await post('application/x-ndjson', lines.join('\n'));
    for (const useRecords of [false, true]) {
      const packr = new Packr({ useRecords });
      const batch = packr.pack({ batch: eventsOf(`msgpack ${useRecords}`), context });
      await post('application/msgpack', batch);
    }
    const { rows } = await appliance.sql(
      `SELECT count(*), count(DISTINCT event),
              count(DISTINCT concat_ws('|', user_id, "timestamp", properties, context))
       FROM events`,
    );
    assert.deepEqual(rows[0]!.map(Number), [80, 4, 20]);
  } finally {
    await appliance.remove();
  }
});

test('an import that a crash cuts off, sent again, has every row once', async () => {
  const appliance = await ApplianceProcess.start();
  try {
    const body = Array.from(
      { length: ROWS },
      (_, row) => `{"type":"page","userId":"u${row}","properties":{"text":"${'x'.repeat(200)}"}}\n`,
    ).join('');
    const url = `${appliance.url}/v1/import?format=ndjson&import_id=crash`;
    const headers = { Authorization: `Bearer ${WRITE_KEY}` };
    // Half of the rows, of a body that does not end: what was stored is there when the process is killed.
    const half = body.slice(0, body.length / 2);
    const endless = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from(half)),
    });
    const request = { method: 'POST', headers, body: endless, duplex: 'half' } as RequestInit;
    // Its progress may have begun to come.
    const cut = assert.rejects(fetch(url, request).then((response) => response.text()));
    const stored = async (): Promise<number> => {
      const { rows } = await appliance.sql('SELECT count(*) FROM events');
      return Number(rows[0]![0]);
    };
    for (let tries = 0; (await stored()) === 0; tries += 1) assert.ok(tries < 200, 'rows arrive');
    await appliance.kill();
    await cut;
    await appliance.restart();
    const before = await stored();
    assert.ok(before > 0 && before < ROWS);

    const response = await fetch(url, { method: 'POST', headers, body });
    const last = JSON.parse((await response.text()).trim().split('\n').at(-1)!);
    assert.deepEqual(
      [last.state, last.accepted, last.duplicates],
      ['complete', ROWS - before, before],
    );
    assert.equal(await stored(), ROWS);
  } finally {
    await appliance.remove();
  }
});
