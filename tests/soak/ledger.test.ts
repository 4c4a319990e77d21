import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from './ledger.ts';

const rejected = (count: number): unknown[] => Array.from({ length: count }, () => ({}));

test('an answer that is as planned adds up', () => {
  const ledger = new Ledger(1);
  const batch = ledger.goodBatch();
  ledger.settle(batch, { accepted: 100, duplicates: 0, rejected: [] });
  assert.deepEqual(ledger.violations, []);
  assert.deepEqual([ledger.sent, ledger.accepted, ledger.goodEvents], [100, 100, 100]);
});

test('what a lost attempt had stored comes back as duplicates and is booked as recovered', () => {
  const ledger = new Ledger(1);
  const batch = ledger.goodBatch();
  ledger.lose(batch);
  ledger.settle(batch, { accepted: 40, duplicates: 60, rejected: [] });
  assert.deepEqual(ledger.violations, []);
  assert.equal(ledger.recovered, 60);
});

test('an event that is missing, stored twice or rejected against the plan is a violation', () => {
  const answers = [
    { accepted: 99, duplicates: 0, rejected: [] },
    { accepted: 99, duplicates: 1, rejected: [] },
    { accepted: 99, duplicates: 0, rejected: rejected(1) },
    {},
  ];
  for (const answer of answers) {
    const ledger = new Ledger(1);
    ledger.settle(ledger.goodBatch(), answer);
    assert.equal(ledger.violations.length, 1, JSON.stringify(answer));
  }
});

test('one batch in a hundred is garbage of every kind, and is expected as such', () => {
  const ledger = new Ledger(3);
  const repeatable = ledger.goodBatch();
  const kinds = { refused: 0, rejected: 0, duplicates: 0 };
  for (let count = 0; count < 20_000; count += 1) {
    const { expected, events } = ledger.nextBatch(repeatable);
    const sum = expected.accepted + expected.duplicates + expected.rejected + expected.refused;
    assert.equal(sum, events);
    if (expected.refused > 0) kinds.refused += 1;
    if (expected.rejected > 0) kinds.rejected += 1;
    if (expected.duplicates > 0) kinds.duplicates += 1;
  }
  for (const count of Object.values(kinds)) assert.ok(count > 30 && count < 110, `${count}`);
});
