/** What a real SDK is made to send, and what must then be there: exact counts, whatever happened on the way. */
import assert from 'node:assert/strict';
import type { ApplianceProcess } from '../support/appliance.ts';

/** A limit on the disk that no disk meets: every batch is answered 503. */
export const DISK_ALWAYS_LOW: readonly string[] = ['--disk-free-bytes-min', '8000000GiB'];

export async function assertTypes(
  appliance: ApplianceProcess,
  expected: Readonly<Record<string, number>>,
): Promise<void> {
  const { rows } = await appliance.sql(
    'SELECT type, count(*) FROM events GROUP BY ALL ORDER BY ALL',
  );
  assert.deepEqual(Object.fromEntries(rows as [string, number][]), expected);
}

/** Each of `count` events named `name` is there once. Their property `index` counts from 0. */
export async function assertEachOnce(
  appliance: ApplianceProcess,
  name: string,
  count: number,
): Promise<void> {
  const { rows } = await appliance.sql(
    `SELECT count(*), count(DISTINCT (properties->>'$.index')::INTEGER), count(DISTINCT message_id)
     FROM events WHERE event = $1`,
    [name],
  );
  assert.deepEqual(rows, [[count, count, count]]);
}

/** Every event has the address of this machine, from which the SDK sent it. */
export async function assertSender(appliance: ApplianceProcess): Promise<void> {
  const { rows } = await appliance.sql("SELECT DISTINCT context->>'$.ip' FROM events");
  assert.deepEqual(rows, [['127.0.0.1']]);
}

/** How many requests said that they were a retry. */
export function retriesOf(appliance: ApplianceProcess): Promise<number> {
  return sumOf(appliance, /^tributary_ingest_retries_total\{.*\} (\d+)$/gm);
}

/** How many batches were refused for want of room or health. */
export function refusalsOf(appliance: ApplianceProcess): Promise<number> {
  return sumOf(appliance, /^tributary_ingest_refused_batches_total\{reason="load"\} (\d+)$/gm);
}

async function sumOf(appliance: ApplianceProcess, samples: RegExp): Promise<number> {
  const text = await (await fetch(`${appliance.url}/metrics`)).text();
  return [...text.matchAll(samples)].reduce((sum, [, value]) => sum + Number(value), 0);
}
