/** The sums of a soak, checked: what the answers said, and what SQL finds in the tables. */
import type { ApplianceProcess } from '../support/appliance.ts';
import type { Ledger } from './ledger.ts';

/** The numbers in the message ids of the events stored. The sums are exact: HUGEINT, as text. */
const STORED = `
  SELECT count(*), min(n), max(n), sum(n)::VARCHAR, sum(n::HUGEINT * n)::VARCHAR
  FROM (SELECT CAST(substr(message_id, 2) AS BIGINT) AS n FROM events)`;

/** All the producers have ended. @returns what does not add up. */
export async function storedSumViolations(
  appliance: ApplianceProcess,
  ledger: Ledger,
): Promise<string[]> {
  const violations: string[] = [];
  const check = (what: string, found: unknown, expected: unknown): void => {
    if (`${found}` !== `${expected}`) violations.push(`${what}: ${found}, expected ${expected}`);
  };
  const { accepted, duplicates, rejected, refused, recovered, sent, goodEvents } = ledger;
  check(
    'sent = accepted + duplicates + rejected + refused',
    accepted + duplicates + rejected + refused,
    sent,
  );
  check('stored = accepted + stored by lost attempts', accepted + recovered, goodEvents);

  const [stored] = (await appliance.sql(STORED)).rows;
  const last = BigInt(goodEvents) - 1n;
  const expected = [
    goodEvents,
    0,
    last,
    (last * (last + 1n)) / 2n,
    (last * (last + 1n) * (2n * last + 1n)) / 6n,
  ];
  for (const [index, what] of ['count', 'smallest', 'largest', 'sum', 'sum of squares'].entries()) {
    check(`${what} of the numbers stored`, stored?.[index], expected[index]);
  }
  const letters = await appliance.sql('SELECT count(DISTINCT message_id) FROM dead_letters');
  check('dead letters', letters.rows[0]?.[0], rejected);
  return violations;
}
