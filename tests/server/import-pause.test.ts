/** Symptom: an import whose sender paused for more than ten seconds was cut off, far below its minute. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

/** The server library looks every four seconds for connections that sent nothing for ten. */
const PAUSE_MS = 14_500;
const ROW = '{"type":"track","event":"Seen","userId":"ada"}\n';

test('an import goes on after its sender has paused for longer than the server library waits', async () => {
  const appliance = await ApplianceProcess.start();
  try {
    const url = `${appliance.url}/v1/import?format=ndjson&import_id=slow`;
    const headers = { Authorization: `Bearer ${WRITE_KEY}` };
    const sending = request(url, { method: 'POST', headers });
    const answered = new Promise<string>((resolve, reject) => {
      sending.on('error', reject);
      sending.on('response', (response) => {
        let text = '';
        response.on('data', (piece: Buffer) => {
          text += piece.toString('utf8');
        });
        response.on('end', () => resolve(text));
        response.on('error', reject);
      });
    });
    sending.write(ROW);
    await delay(PAUSE_MS);
    sending.end(ROW);
    const last = (await answered).trim().split('\n').at(-1)!;
    assert.match(last, /"state":"complete","nextRow":2/);
  } finally {
    await appliance.remove();
  }
});
