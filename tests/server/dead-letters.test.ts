import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withMessageId } from '../../bin/dead-letters.ts';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/tributary.js', import.meta.url));

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function tributary(args: readonly string[], key: string, input = ''): Promise<Ended> {
  const environment = {
    PATH: process.env['PATH'],
    TRIBUTARY_URL: appliance.url,
    TRIBUTARY_KEY: key,
    TRIBUTARY_WRITE_KEY: WRITE_KEY,
  };
  const command = spawn(process.execPath, [PROGRAM, ...args], { env: environment });
  const output = { stdout: '', stderr: '' };
  command.stdout.on('data', (bytes: Buffer) => {
    output.stdout += bytes.toString('utf8');
  });
  command.stderr.on('data', (bytes: Buffer) => {
    output.stderr += bytes.toString('utf8');
  });
  command.stdin.end(input);
  return new Promise((resolve) => {
    command.on('close', (code) => resolve({ code, ...output }));
  });
}

test('rejected events are exported, repaired with any tool and sent again', async () => {
  const rejected = [
    { type: 'track', userId: 'ann', messageId: 'r1', properties: { big: 1, price: 2.5 } },
    { type: 'track', userId: 'bob' },
  ];
  const batch = [...rejected, 17, { type: 'page', userId: 'ann', messageId: 'ok' }];
  await appliance.send('/v1/batch', { batch });

  const exported = await tributary(['dead-letters', 'export'], ADMIN_KEY);
  assert.equal(exported.code, 0);
  assert.deepEqual(
    exported.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [rejected[0], { messageId: 'dead-letter-2', ...rejected[1] }],
  );
  assert.match(exported.stderr, /1 dead letters are no JSON objects/);

  const repaired = exported.stdout.replaceAll(
    '"type":"track"',
    '"type":"track","event":"Repaired"',
  );
  for (const duplicates of [0, 2]) {
    const sent = await tributary(['send', '-'], WRITE_KEY, repaired);
    assert.match(sent.stdout, new RegExp(`${2 - duplicates} accepted, ${duplicates} duplicates`));
  }
  const { rows } = await appliance.sql(
    `SELECT message_id, user_id FROM events WHERE event = 'Repaired' ORDER BY sequence`,
  );
  assert.deepEqual(rows, [
    ['r1', 'ann'],
    ['dead-letter-2', 'bob'],
  ]);
});

test('replay sends what a condition chooses, and what is still wrong is rejected again', async () => {
  const where = `message_id = 'r1'`;
  const replayed = await tributary(['dead-letters', 'replay', '--where', where], ADMIN_KEY);
  assert.equal(replayed.code, 1);
  assert.match(replayed.stdout, /1 events.*0 accepted, 0 duplicates, 1 rejected/);
  assert.match(replayed.stderr, /TRIBUTARY_INGEST_FIELD_MISSING at event/);
});

test('a condition that is not SQL, a wrong action and a wrong flag say so', async () => {
  const broken = await tributary(['dead-letters', 'export', '--where', 'code =='], ADMIN_KEY);
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /TRIBUTARY_QUERY_/);
  assert.equal((await tributary(['dead-letters', 'burn'], ADMIN_KEY)).code, 2);
  const misspelt = await tributary(['dead-letters', 'export', '--wher', 'true'], ADMIN_KEY);
  assert.match(misspelt.stderr, /did you mean --where/);
});

test('a message id is put into the text, whatever its shape', () => {
  const letter = (payload: string, message_id: string | null = null) => ({
    sequence: 7,
    message_id,
    payload,
  });
  assert.equal(withMessageId(letter('{}')), '{"messageId":"dead-letter-7"}');
  assert.equal(
    withMessageId(letter('{\n "n": 12345678901234567890 }')),
    '{"messageId":"dead-letter-7","n": 12345678901234567890 }',
  );
  assert.equal(withMessageId(letter('{"a":1}', 'm')), '{"a":1}');
  assert.equal(withMessageId(letter('[1]')), undefined);
});
