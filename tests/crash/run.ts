/**
 * `npm run test:crash -- --rounds 200 --seed 1`: kill -9 under load, again and again.
 *
 * Each round loads the real appliance over HTTP with people, devices and aliases, kills it at a random
 * moment, starts it again, sends once more what was not acknowledged (as an SDK does), and checks:
 * - every acknowledged event is there, and no event is there twice, be it in the log or in the lake;
 * - nothing is there that was not sent;
 * - the identity graph is the fold of the log: the same people, the same edges as the model of
 *   tests/support/reference-identity.ts makes of the stored events in commit order.
 * Rows move to the lake all the while, and are a second old when they go: some rounds are killed in a
 * flush, and queries read both tiers. Checkpoints are made of little log, and log is removed below them: some
 * rounds are killed meanwhile, and starts begin with what there is. Data is kept over `--rounds-per-directory` rounds, so that logs of
 * many lives are replayed.
 */

import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../base/random.ts';
import { ApplianceProcess } from '../support/appliance.ts';
import type { TestEvent } from '../support/engine-fixture.ts';
import { proofFlags } from '../support/proof-flags.ts';
import { ReferenceIdentity } from '../support/reference-identity.ts';

const CONNECTIONS = 4;
const PEOPLE = 400;
const DEVICES = 300;

const {
  rounds,
  seed,
  'rounds-per-directory': roundsPerDirectory,
  'load-ms': loadMs,
} = proofFlags(
  'test:crash',
  'Kills the real appliance under load, starts it again, and looks for what it acknowledged.',
  {
    rounds: { about: 'how many', value: 200 },
    seed: { about: 'of the load', value: 1 },
    'rounds-per-directory': { about: 'before a new data directory', value: 20, least: 1 },
    'load-ms': { about: 'of load before a kill, at most', value: 1500 },
  },
);
const random = seededRandom(seed);
console.log(`crash test: ${rounds} rounds, seed ${seed}`);

/** As soon as options allow. */
const FLAGS = ['--flush-age-seconds', '1', '--checkpoint-log-bytes', '64KiB'];

/** What the world outside knows about one data directory. */
class Witness {
  readonly sent = new Set<string>();
  readonly acknowledged = new Set<string>();
  unacknowledged: TestEvent[][] = [];
  #nextId = 0;

  nextBatch(): TestEvent[] {
    const batch = Array.from({ length: 1 + Math.floor(random() * 40) }, () => this.#nextEvent());
    for (const event of batch) this.sent.add(event['messageId'] as string);
    return batch;
  }

  #nextEvent(): TestEvent {
    const messageId = `m${this.#nextId++}`;
    const user = `u${Math.floor(random() ** 2 * PEOPLE)}`;
    const device = `d${Math.floor(random() ** 2 * DEVICES)}`;
    const kind = random();
    if (kind < 0.5) return { type: 'page', messageId, anonymousId: device };
    if (kind < 0.75) return { type: 'track', event: 'Seen', messageId, userId: user };
    if (kind < 0.97) return { type: 'identify', messageId, userId: user, anonymousId: device };
    const previousId = random() < 0.5 ? device : `u${Math.floor(random() * PEOPLE)}`;
    return { type: 'alias', messageId, userId: user, previousId };
  }
}

async function deliver(
  appliance: ApplianceProcess,
  witness: Witness,
  batch: TestEvent[],
): Promise<boolean> {
  try {
    const response = await appliance.send('/v1/batch', { batch });
    if (response.status !== 200) throw new Error(`answered ${response.status}`);
    await response.json();
  } catch {
    witness.unacknowledged.push(batch);
    return false;
  }
  for (const event of batch) witness.acknowledged.add(event['messageId'] as string);
  return true;
}

/** Sends until the appliance is gone. */
async function load(appliance: ApplianceProcess, witness: Witness): Promise<void> {
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      while (await deliver(appliance, witness, witness.nextBatch()));
    }),
  );
}

interface StoredEvent extends TestEvent {
  readonly messageId: string;
  readonly profile: string | null;
}

async function storedEvents(appliance: ApplianceProcess): Promise<StoredEvent[]> {
  const { rows } = await appliance.sql(
    `SELECT message_id, type, user_id, anonymous_id, previous_id, profile_id
     FROM events ORDER BY sequence`,
  );
  return rows.map(([messageId, type, userId, anonymousId, previousId, profile]) => ({
    messageId: messageId as string,
    type,
    ...(userId !== null && { userId }),
    ...(anonymousId !== null && { anonymousId }),
    ...(previousId !== null && { previousId }),
    profile: profile as string | null,
  }));
}

async function verify(appliance: ApplianceProcess, witness: Witness): Promise<string[]> {
  const violations: string[] = [];
  // All is asked first: while the model folds, an idle connection is closed.
  const events = await storedEvents(appliance);
  const edges = await appliance.sql(
    'SELECT a_value, b_value, kind, state, reason FROM edges ORDER BY sequence',
  );
  const profiles = await appliance.sql('SELECT count(*), sum(event_count)::BIGINT FROM profiles');
  const stored = new Set(events.map((event) => event.messageId));
  if (stored.size !== events.length) violations.push(`${events.length - stored.size} stored twice`);
  for (const id of witness.acknowledged) if (!stored.has(id)) violations.push(`${id} was lost`);
  for (const id of stored) if (!witness.sent.has(id)) violations.push(`${id} was invented`);

  const model = new ReferenceIdentity();
  for (const event of events) model.add(event);
  const profileOf = new Map<object, string | null>();
  model.attributed.forEach((anchor, index) => {
    const { messageId, profile } = events[index]!;
    const person = anchor?.profile;
    if (person === undefined) violations.push(`${messageId} names nobody`);
    else if (!profileOf.has(person)) profileOf.set(person, profile);
    else if (profileOf.get(person) !== profile) violations.push(`${messageId} has a wrong profile`);
  });
  if (new Set(profileOf.values()).size !== profileOf.size) violations.push('two people are one');
  const expected = model.edges.map(({ a, b, kind, state, reason }) => [a, b, kind, state, reason]);
  if (JSON.stringify(edges.rows) !== JSON.stringify(expected)) {
    violations.push(`the ${edges.rows.length} edges are not the ${expected.length} of the fold`);
  }
  if (JSON.stringify(profiles.rows[0]) !== JSON.stringify([profileOf.size, events.length])) {
    violations.push(`profiles are ${profiles.rows[0]}, not ${profileOf.size},${events.length}`);
  }
  return violations;
}

function dataFiles(appliance: ApplianceProcess): number {
  const names = readdirSync(appliance.directory, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith('.parquet')).length;
}

/** Names in one of the tenant's directories. */
function namesIn(appliance: ApplianceProcess, folder: 'checkpoints' | 'wal'): string[] {
  const tenants = `${appliance.directory}/tenants`;
  return readdirSync(tenants)
    .flatMap((id) => readdirSync(`${tenants}/${id}/${folder}`))
    .sort();
}

/** Files of the log that are gone: their ordinals begin at 1. */
function removedLogFiles(appliance: ApplianceProcess): number {
  const oldest = namesIn(appliance, 'wal').find((name) => /^wal-\d{16}$/.test(name));
  return oldest === undefined ? 0 : Number(oldest.slice('wal-'.length)) - 1;
}

let violationCount = 0;
let checkpointCount = 0;
let removedCount = 0;
let fileCount = 0;
let acknowledgedCount = 0;
let resentCount = 0;
for (let round = 0; round < rounds; ) {
  const appliance = await ApplianceProcess.start({ flags: FLAGS });
  const witness = new Witness();
  const checkpoints = new Set<string>();
  try {
    for (let life = 0; life < roundsPerDirectory && round < rounds; life += 1, round += 1) {
      const loading = load(appliance, witness);
      await delay(random() * loadMs);
      await appliance.kill();
      await loading;
      for (const name of namesIn(appliance, 'checkpoints')) checkpoints.add(name);
      await appliance.restart();
      const again = witness.unacknowledged;
      witness.unacknowledged = [];
      resentCount += again.length;
      for (const batch of again) await deliver(appliance, witness, batch);
      const violations = await verify(appliance, witness);
      for (const violation of violations.slice(0, 5)) {
        console.error(`round ${round + 1}, seed ${seed}: ${violation}`);
      }
      violationCount += violations.length;
      if ((round + 1) % 10 === 0) {
        console.log(`${round + 1} rounds, ${witness.acknowledged.size} events in this directory`);
      }
    }
  } finally {
    fileCount += dataFiles(appliance);
    checkpoints.delete('checkpoint.tmp');
    checkpointCount += checkpoints.size;
    removedCount += removedLogFiles(appliance);
    acknowledgedCount += witness.acknowledged.size;
    await appliance.remove();
  }
}
console.log(
  `${rounds} rounds of kill -9, ${acknowledgedCount} events acknowledged, ` +
    `${resentCount} batches sent again, ${fileCount} data files in the lake, ` +
    `${checkpointCount} checkpoints seen, ${removedCount} log files removed, ` +
    `${violationCount} violations`,
);
process.exit(violationCount === 0 ? 0 : 1);
