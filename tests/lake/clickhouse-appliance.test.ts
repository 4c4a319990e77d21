/**
 * The way past one machine, as a user goes it: events are sent to a running appliance, flushed to its lake,
 * and asked for in ClickHouse, which attached the catalog. Its answers are those of the appliance's own SQL.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../base/random.ts';
import { ClickHouse } from '../../bench/peers.ts';
import { ADMIN_KEY, ApplianceProcess } from '../support/appliance.ts';

const EVENTS = 2000;
const BATCH_EVENTS = 500;

/** Understood by both engines; EVENTS stands for the table. */
const QUERIES: readonly string[] = [
  'SELECT count(*) FROM EVENTS',
  'SELECT min(sequence), max(sequence), count(DISTINCT sequence) FROM EVENTS',
  'SELECT event, count(*) FROM EVENTS GROUP BY event ORDER BY event',
  'SELECT type, count(*), count(DISTINCT user_id) FROM EVENTS GROUP BY type ORDER BY type',
  'SELECT user_id, count(*) AS n FROM EVENTS GROUP BY user_id ORDER BY n DESC, user_id LIMIT 7',
  "SELECT count(*) FROM EVENTS WHERE event = 'Größe' AND user_id = 'user-3'",
  'SELECT count(*), count(DISTINCT anonymous_id) FROM EVENTS WHERE anonymous_id IS NOT NULL',
  'SELECT message_id, user_id, properties FROM EVENTS ORDER BY message_id LIMIT 5',
  'SELECT count(*) FROM EVENTS WHERE properties LIKE \'%"plan":"pro"%\'',
  'SELECT source, count(*), count(group_id) FROM EVENTS GROUP BY source ORDER BY source',
];

describe('ClickHouse beside a running appliance', { skip: skipReason() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-outgrow-'));
  let appliance: ApplianceProcess;
  let peer: ClickHouse;
  let namespace: string;

  before(async () => {
    appliance = await ApplianceProcess.start({ flags: ['--flush-age-seconds', '1'] });
    const token = await createToken();
    namespace = await namespaceOf(token);
    await declareTraits();
    const sent = await sendEvents();
    await untilFlushed(sent);
    peer = await ClickHouse.open(join(directory, 'clickhouse'), () => {});
    await peer.execute('SET allow_database_iceberg = 1');
    await peer.execute(`CREATE DATABASE lake
      ENGINE = DataLakeCatalog('${appliance.url}/iceberg/v1')
      SETTINGS catalog_type = 'rest', warehouse = 'tributary-lake',
        auth_header = 'Authorization: Bearer ${token}'`);
  });

  after(async () => {
    await peer?.close();
    await appliance?.remove();
    rmSync(directory, { recursive: true });
  });

  async function createToken(): Promise<string> {
    const response = await fetch(`${appliance.url}/v1/lake/tokens`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${ADMIN_KEY}` },
      body: JSON.stringify({ name: 'clickhouse' }),
    });
    return ((await response.json()) as { token: string }).token;
  }

  async function namespaceOf(token: string): Promise<string> {
    const response = await fetch(`${appliance.url}/iceberg/v1/namespaces`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    const { namespaces } = (await response.json()) as { namespaces: string[][] };
    return namespaces[0]![0]!;
  }

  async function declareTraits(): Promise<void> {
    const response = await fetch(`${appliance.url}/v1/traits`, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${ADMIN_KEY}` },
      body: JSON.stringify({
        traits: [
          { name: 'plan', type: 'string' },
          { name: 'seats', type: 'long' },
          { name: 'since', type: 'date' },
        ],
      }),
    });
    assert.equal(response.status, 200);
  }

  /** Events of some people, every tenth sent twice. @returns how many are stored. */
  async function sendEvents(): Promise<number> {
    const random = seededRandom(1);
    const pick = <Item>(items: readonly Item[]): Item =>
      items[Math.floor(random() * items.length)]!;
    const events = Array.from({ length: EVENTS }, (_, index) => ({
      type: 'track',
      event: pick(['Signed Up', 'Order Completed', 'Größe', 'Viewed']),
      messageId: `message-${String(index).padStart(5, '0')}`,
      userId: `user-${Math.floor(random() * 40)}`,
      ...(index % 3 === 0 && { anonymousId: `device-${index % 60}` }),
      properties: { plan: pick(['free', 'pro']), seats: index % 7 },
      ...(index % 25 === 0 && {
        type: 'identify',
        traits: { plan: pick(['free', 'pro', null]), seats: index % 7, since: '2026-02-03' },
      }),
    }));
    for (let start = 0; start < EVENTS; start += BATCH_EVENTS) {
      const batch = events.slice(start, start + BATCH_EVENTS);
      const again = batch.filter((_, index) => index % 10 === 0);
      const response = await appliance.send('/v1/batch', { batch: [...batch, ...again] });
      assert.equal(response.status, 200);
    }
    return EVENTS;
  }

  async function untilFlushed(rows: number): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (performance.now() < deadline) {
      const text = await (await fetch(`${appliance.url}/metrics`)).text();
      const [, flushed] = /^tributary_flush_rows_total (\d+)/m.exec(text) ?? [];
      if (Number(flushed) >= rows) return;
      await delay(100);
    }
    assert.fail(`the rows were not flushed in time: ${appliance.output}`);
  }

  it('finds the tables of the tenant', async () => {
    const tables = (await peer.rows('SHOW TABLES FROM lake')).map(([name]) => String(name));
    for (const name of ['events', 'edges', 'dead_letters', 'warnings']) {
      assert.ok(tables.includes(`${namespace}.${name}`), `${name} in ${tables.join(', ')}`);
    }
  });

  it('has as many rows in every table as the appliance', async () => {
    for (const table of ['events', 'edges', 'merges', 'dead_letters', 'warnings']) {
      const ours = await appliance.sql(`SELECT count(*) FROM ${table}`);
      const theirs = await peer.rows(`SELECT count() FROM lake.\`${namespace}.${table}\``);
      assert.deepEqual(theirs.map(asText), ours.rows.map(asText), table);
    }
  });

  it('knows whose the events are, from identifiers and profiles of one sequence', async () => {
    const response = await fetch(`${appliance.url}/v1/lake/tasks`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${ADMIN_KEY}` },
      body: '{"task":"profiles"}',
    });
    assert.equal(response.status, 200, await response.clone().text());
    const name = (table: string): string => `lake.\`${namespace}.${table}\``;
    const people = 'AS id, count(*) FROM events GROUP BY id ORDER BY id';
    const ours = await appliance.sql(`SELECT CAST(profile_id AS VARCHAR) ${people}`);
    const theirs = await peer.rows(`SELECT i.profile_id AS id, count()
      FROM ${name('events')} AS e JOIN ${name('identifiers')} AS i ON e.anchor = i.anchor
      WHERE e.sequence <= i.sequence GROUP BY id ORDER BY id`);
    assert.deepEqual(theirs.map(asText), ours.rows.map(asText));
    const columns = 'user_id, first_seen, last_seen, event_count, plan, seats, since';
    const profiles = await appliance.sql(
      `SELECT CAST(profile_id AS VARCHAR) AS id, ${columns.replaceAll(/(\w+_seen)/g, 'epoch_us($1)')}
       FROM profiles ORDER BY id`,
    );
    const written = await peer.rows(
      `SELECT profile_id AS id, ${columns.replaceAll(/(\w+_seen)/g, 'toUnixTimestamp64Micro($1)')}
       FROM ${name('profiles')} ORDER BY id`,
    );
    assert.deepEqual(written.map(asText), profiles.rows.map(asText));
    assert.ok(written.length >= 40);
  });

  it('gives ten queries the answers that the appliance gives', async () => {
    for (const query of QUERIES) {
      const ours = await appliance.sql(query.replace('EVENTS', 'events'));
      const theirs = await peer.rows(query.replace('EVENTS', `lake.\`${namespace}.events\``));
      assert.deepEqual(theirs.map(asText), ours.rows.map(asText), query);
      assert.ok(ours.rows.length > 0);
    }
  });
});

/** Numbers of 64 bits come as text from one and as numbers from the other, JSON as text or as values. */
function asText(row: readonly unknown[]): string[] {
  return row.map((value) => (typeof value === 'object' ? JSON.stringify(value) : String(value)));
}

function skipReason(): string | false {
  return ClickHouse.isInstalled()
    ? false
    : 'ClickHouse (chdb) is not installed; `npm install` in bench/peers does that';
}
