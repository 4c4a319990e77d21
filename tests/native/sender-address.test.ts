/** The address a batch came from, in the context of its events. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { LIMITS } from '../../base/limits.ts';
import type { Codec } from '../../engine/types.ts';
import { parseIpAddress } from '../../ingest/ip-address.ts';
import { type Decoded, openDecoder } from '../support/decode-payload.ts';

type Stage = (payload: string | Uint8Array, sender?: string, codec?: Codec) => Decoded;

function openStage(context: TestContext): Stage {
  const decode = openDecoder(context);
  return (payload, sender = '203.0.113.9', codec = 'json') => {
    const senderAddress = sender === '' ? undefined : parseIpAddress(sender);
    return decode(payload, { senderAddress }, codec);
  };
}

const page = '"type":"page","userId":"u"';
const IP = '"ip":"203.0.113.9"';

test('an event that names no ip gets the address of its sender', (context) => {
  const stage = openStage(context);
  const contextOf = (own: string): unknown =>
    stage(own === '' ? `{${page}}` : `{${page},"context":${own}}`).rows[0]!['context'];
  assert.equal(contextOf(''), `{${IP}}`);
  assert.equal(contextOf('null'), `{${IP}}`);
  assert.equal(contextOf('{ }'), `{${IP}}`);
  assert.equal(contextOf('{ "os": {"ip":1} }'), `{${IP}, "os": {"ip":1} }`);
  // What it says of it, whatever that is, stays.
  assert.equal(contextOf('{"ip":"192.0.2.1"}'), '{"ip":"192.0.2.1"}');
  assert.equal(contextOf('{"\\u0069p":null}'), '{"\\u0069p":null}');
  assert.equal(contextOf('{"ip":"192.0.2.1","direct":false}'), '{"ip":"192.0.2.1","direct":false}');
});

test('an event that says it is direct gets the address in place of the one it names', (context) => {
  const stage = openStage(context);
  const contextOf = (own: string): unknown =>
    stage(`{${page},"context":${own}}`).rows[0]!['context'];
  assert.equal(contextOf('{"direct": true}'), `{${IP},"direct": true}`);
  assert.equal(
    contextOf('{"ip":"192.0.2.1" , "direct":true, "a":{"b": 1}}'),
    `{${IP},"direct":true,"a":{"b": 1}}`,
  );
  assert.equal(contextOf('{"ip":1,"direct":true,"ip":2}'), `{${IP},"direct":true}`);
  assert.equal(contextOf('{"ip":1,"direct":"true"}'), '{"ip":1,"direct":"true"}');
});

test('what a batch says of the ip goes before the address, unless it is direct', (context) => {
  const stage = openStage(context);
  const contextOf = (ofBatch: string, own = ''): unknown => {
    const event = own === '' ? `{${page}}` : `{${page},"context":${own}}`;
    return stage(`{"batch":[${event}],"context":${ofBatch}}`).rows[0]!['context'];
  };
  assert.equal(contextOf('{"a":1}'), `{"a":1,${IP}}`);
  assert.equal(contextOf('{"a":1}', '{"a":2}'), `{${IP},"a":2}`);
  assert.equal(contextOf('{ "ip" : 7 }'), '{ "ip" : 7 }');
  assert.equal(contextOf('{"ip":7}', '{"a":2}'), '{"ip":7,"a":2}');
  assert.equal(contextOf('{"ip":7,"direct":true}'), `{${IP},"direct":true}`);
  assert.equal(contextOf('{"direct":true}', '{"ip":8}'), `{${IP},"direct":true}`);
  assert.equal(contextOf('{"ip":7}', '{"direct":true}'), `{${IP},"direct":true}`);
  assert.equal(contextOf('{"ip":7,"direct":true}', '{"direct":false}'), '{"ip":7,"direct":false}');
});

test('without an address nothing is added, and nothing of the one before is left', (context) => {
  const stage = openStage(context);
  assert.equal(stage(`{${page}}`).rows[0]!['context'], `{${IP}}`);
  assert.equal(stage(`{${page}}`, '').rows[0]!['context'], null);
  const direct = `{${page},"context":{"ip":"192.0.2.1","direct":true}}`;
  assert.equal(stage(direct, '').rows[0]!['context'], '{"ip":"192.0.2.1","direct":true}');
});

test('an event is not measured with the address, and none is refused for it', (context) => {
  const stage = openStage(context);
  const head = `{${page},"context":{"t":"`;
  const room = LIMITS.eventBytesMax - head.length - 3;
  assert.deepEqual(stage(`${head}${'x'.repeat(room)}"}}`).staged.rejections, []);
  const beyond = stage(`${head}${'x'.repeat(room + 1)}"}}`).staged.rejections;
  assert.equal(beyond[0]?.code, 'TRIBUTARY_INGEST_EVENT_TOO_LARGE');
  // A context of the batch is measured as ever.
  const batch = (bytes: number): string =>
    `{"context":{"t":"${'x'.repeat(bytes - 8)}"},"batch":[{${page}}]}`;
  const left = LIMITS.eventBytesMax - `{${page}}`.length;
  assert.deepEqual(stage(batch(left)).staged.rejections, []);
  assert.equal(stage(batch(left + 1)).staged.rejections.length, 1);
});

test('the largest batch of the smallest events has room for their addresses', (context) => {
  const stage = openStage(context);
  const batch = new Array<string>(LIMITS.batchEventsMax).fill(`{${page}}`).join(',');
  const longest = 'fff1:fff2:fff3:fff4:fff5:fff6:fff7:fff8';
  const { rows } = stage(`{"batch":[${batch}]}`, longest);
  assert.equal(rows.length, LIMITS.batchEventsMax);
  assert.ok(rows.every((row) => row['context'] === `{"ip":"${longest}"}`));
});

test('a msgpack event gets the address as in JSON', (context) => {
  const stage = openStage(context);
  const packr = new Packr({ useRecords: false });
  const event = { type: 'page', userId: 'u', context: { os: { name: 'x' }, a: 1 } };
  const named = { ...event, context: { a: 1, ip: '192.0.2.1' } };
  const direct = { ...event, context: { ...named.context, direct: true } };
  for (const payload of [
    event,
    { batch: [event, named, direct, { type: 'page', userId: 'u' }] },
    { batch: [event, named], context: { locale: 'de' } },
  ]) {
    const rows = stage(packr.pack(payload), '2001:db8::1', 'msgpack').rows;
    assert.deepEqual(rows, stage(JSON.stringify(payload), '2001:db8::1').rows);
    assert.match(String(rows[0]!['context']), /"ip":"2001:db8::1"/);
  }
});

test('an address is written as RFC 5952 has it', (context) => {
  const stage = openStage(context);
  const written = (address: string): string => {
    const text = stage(`{${page}}`, address).rows[0]!['context'] as string;
    return (JSON.parse(text) as { ip: string }).ip;
  };
  assert.equal(written('::ffff:198.51.100.7'), '198.51.100.7');
  assert.equal(written('0:0:0:0:0:0:0:1'), '::1');
  assert.equal(written('2001:DB8:0:0:1:0:0:1'), '2001:db8::1:0:0:1');
  fc.assert(
    fc.property(fc.oneof(fc.ipV6(), fc.ipV4()), (address) => {
      // Dots within an IPv6 address are a matter of taste that URLs and the C library see differently.
      fc.pre(!(address.includes(':') && written(address).includes('.')));
      const isIpv6 = address.includes(':');
      const host = new URL(`http://${isIpv6 ? `[${address}]` : address}/`).hostname;
      assert.equal(written(address), host.replace(/^\[|\]$/g, ''));
    }),
    { numRuns: 300 },
  );
});
