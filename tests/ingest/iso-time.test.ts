import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventTimes } from '../../ingest/event-times.ts';
import { isoTime, timeOfMicros } from '../../ingest/iso-time.ts';

test('a date, a time, and a time with an offset are told in UTC', () => {
  assert.equal(isoTime('2026-03-01'), '2026-03-01T00:00:00.000Z');
  assert.equal(isoTime('2026-03-01T02:00'), '2026-03-01T02:00:00.000Z');
  assert.equal(isoTime('2026-03-01 02:00:01.25'), '2026-03-01T02:00:01.250Z');
  assert.equal(isoTime('2026-03-01T02:00:00+02:00'), '2026-03-01T00:00:00.000Z');
  assert.equal(isoTime('2026-03-01T02:00:00-0230'), '2026-03-01T04:30:00.000Z');
  assert.equal(isoTime('2024-02-29T23:59:59.999999Z'), '2024-02-29T23:59:59.999999Z');
  assert.equal(isoTime('2026-03-01T02:00:00.1234567891+01:00'), undefined);
  assert.equal(isoTime('2026-03-01T02:00:00.123456789+01:00'), '2026-03-01T01:00:00.123456Z');
});

test('the time that an answer tells leaves out nothing of then when it is asked for', () => {
  // The microseconds of a profile's last_seen were dropped from as_of, and its last event with them.
  const lastMicros = Date.UTC(2026, 2, 1) * 1000 + 250_007;
  const lastSeen = timeOfMicros(lastMicros);
  assert.equal(lastSeen, '2026-03-01T00:00:00.250007Z');
  const seen = { firstMicros: 0, lastMicros };
  assert.equal(eventTimes(seen, isoTime(lastSeen)).until, lastSeen);
  assert.equal(eventTimes(seen, isoTime('2026-03-02')).until, '2026-03-01T00:00:00.251Z');
  assert.equal(eventTimes(seen, isoTime('0000-12-31')).until, '-infinity');
  assert.equal(timeOfMicros(Date.UTC(2026, 0, 1) * 1000), '2026-01-01T00:00:00Z');
  assert.equal(timeOfMicros(-1), '1969-12-31T23:59:59.999999Z');
});

test('days that are not in the calendar, and times that only Date.parse knows, are none', () => {
  const none = ['2026-02-30', '2026-02-29T00:00:00Z', '2026-13-01', '2026-00-01', '2026-03-00'];
  const clocks = ['2026-03-01T24:30:00Z', '2026-03-01T12:60Z', '2026-03-01T00:00:00 02:00'];
  const words = ['', 'March 3', '3/1/2026', '1700000000', 'yesterday', '2026', '2026-03'];
  for (const text of [...none, ...clocks, ...words]) assert.equal(isoTime(text), undefined, text);
});

test('every time that JavaScript writes is read as it was', () => {
  const years = { min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true };
  fc.assert(
    fc.property(fc.date(years), (date) => {
      assert.equal(isoTime(date.toISOString()), date.toISOString());
    }),
  );
});
