/**
 * Times to the microsecond, which the fuzzer's reference does not reach: every way of writing a moment
 * that docs/http.md allows, against arithmetic on big integers.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';
import { DecoderProbe } from './decoder-probe.ts';

interface Written {
  readonly text: string;
  readonly micros: bigint;
}

const MINUTE_MICROS = 60_000_000n;
const digits = (value: number, count: number): string => `${value}`.padStart(count, '0');

/** A moment of the years 1 to 9998, its fraction, and how they are written. */
const written: fc.Arbitrary<Written> = fc
  .record({
    date: fc.date({
      min: new Date('0001-01-02T00:00:00Z'),
      max: new Date('9998-12-30T00:00:00Z'),
      noInvalidDate: true,
    }),
    fraction: fc.option(fc.stringMatching(/^\d{1,9}$/), { nil: '' }),
    point: fc.constantFrom('.', ','),
    separator: fc.constantFrom('T', 't', ' '),
    zone: fc.oneof(
      fc.constantFrom('', 'Z', 'z'),
      fc.record({
        sign: fc.constantFrom('+', '-'),
        hours: fc.integer({ min: 0, max: 23 }),
        minutes: fc.option(fc.integer({ min: 0, max: 59 }), { nil: undefined }),
        colon: fc.constantFrom(':', ''),
      }),
    ),
  })
  .map(({ date, fraction, point, separator, zone }) => {
    const iso = date.toISOString();
    let [offset, suffix] = [0, ''];
    if (typeof zone === 'string') suffix = zone;
    else {
      const { sign, hours, minutes, colon } = zone;
      offset = (hours * 60 + (minutes ?? 0)) * (sign === '-' ? -1 : 1);
      suffix = `${sign}${digits(hours, 2)}${minutes === undefined ? '' : colon + digits(minutes, 2)}`;
    }
    const whole = BigInt(Math.floor(date.getTime() / 1000)) * 1_000_000n;
    return {
      text: `${iso.slice(0, 10)}${separator}${iso.slice(11, 19)}${fraction && point + fraction}${suffix}`,
      micros: whole + BigInt(`${fraction}000000`.slice(0, 6)) - BigInt(offset) * MINUTE_MICROS,
    };
  });

test('a time is read to the microsecond, however it is written', (context) => {
  const probe = new DecoderProbe(temporaryHotDirectory(context));
  context.after(() => probe.close());
  fc.assert(
    fc.property(fc.array(written, { minLength: 1, maxLength: 20 }), (times) => {
      const batch = times.map(({ text }) => ({ type: 'page', userId: 'u', timestamp: text }));
      const { rows } = probe.decode(Buffer.from(JSON.stringify({ batch })));
      assert.deepEqual(
        rows.map((row) => row['original_timestamp']),
        times.map(({ micros }) => micros),
      );
    }),
    { numRuns: 300 },
  );
});
