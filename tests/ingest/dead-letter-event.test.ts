import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventOfDeadLetter } from '../../ingest/dead-letter-event.ts';
import { membersOf, partsOf } from '../../ingest/json-parts.ts';

const receivedAt = '2026-03-01T12:00:00Z';

function eventOf(payload: string, messageId: string | null = null): string | undefined {
  return eventOfDeadLetter({ sequence: 7, receivedAt, messageId, payload });
}

test('objects and arrays come apart into what they are made of', () => {
  const space = fc.constantFrom('', ' ', '\n  ');
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.array(fc.jsonValue()),
      space,
      (object, list, indent) => {
        const text = JSON.stringify(object, null, indent);
        const values = membersOf(text).map(({ name, value }) => [
          name,
          JSON.parse(value) as unknown,
        ]);
        assert.deepEqual(values, Object.entries(JSON.parse(text) as object));
        assert.deepEqual(
          partsOf(JSON.stringify(list, null, indent)).map((part) => JSON.parse(part) as unknown),
          JSON.parse(JSON.stringify(list)),
        );
      },
    ),
  );
});

test('an event gets an id and the time it was received, and keeps the rest as it was written', () => {
  const id = '"messageId":"dead-letter-7"';
  const time = `"timestamp":"${receivedAt}"`;
  assert.equal(eventOf('{}'), `{${id},${time}}`);
  assert.equal(
    eventOf('{\n "n": 12345678901234567890 }'),
    `{"n": 12345678901234567890,${id},${time}}`,
  );
  assert.equal(eventOf('{"messageId":null,"a":[1,\n2]}'), `{${id},"a":[1, 2],${time}}`);
  assert.equal(eventOf('[1]'), undefined);
  assert.equal(eventOf('"{}"'), undefined);
});

test('an event keeps its own time, and sentAt is left out', () => {
  assert.equal(eventOf('{"timestamp":"t","sentAt":"s"}', 'm'), '{"timestamp":"t","messageId":"m"}');
  assert.equal(
    eventOf('{"originalTimestamp":"o"}', 'm'),
    '{"originalTimestamp":"o","messageId":"m"}',
  );
});

test('a patch replaces members, adds them and takes them away', () => {
  const letter = {
    sequence: 7,
    receivedAt,
    messageId: 'm',
    payload: '{"timestamp":"t","a":1,"b":2}',
  };
  const patch = membersOf('{"a":{"x":1e400},"b":null,"c":3,"none":null}');
  assert.equal(
    eventOfDeadLetter(letter, patch),
    '{"timestamp":"t","a":{"x":1e400},"messageId":"m","c":3}',
  );
});
