import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyOfAuthorization, keyOfBody, keyOfProtocols } from '../../ingest/credentials.ts';

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

test('Bearer and the forms of Basic carry a key', () => {
  assert.equal(keyOfAuthorization('Bearer abc'), 'abc');
  assert.equal(keyOfAuthorization('bearer  abc '), 'abc');
  assert.equal(keyOfAuthorization(basic('abc:')), 'abc');
  assert.equal(keyOfAuthorization(basic('abc')), 'abc');
  assert.equal(keyOfAuthorization(basic('id:secret')), 'id:secret');
});

test('other schemes and empty values carry none', () => {
  for (const header of ['', 'Bearer', 'Bearer ', 'Digest abc', basic(':'), 'abc']) {
    assert.equal(keyOfAuthorization(header), undefined, header);
  }
});

test('the key is found among subprotocols', () => {
  assert.equal(keyOfProtocols('tributary.v1, key.abc.def'), 'abc.def');
  assert.equal(keyOfProtocols('tributary.v1'), undefined);
});

test('only the write key at the top level of a body counts', () => {
  const find = (text: string) => keyOfBody(Buffer.from(text));
  assert.equal(find('{"writeKey":"a"}'), 'a');
  assert.equal(find('{ "batch" : [ {"writeKey":"no"} ] , "writeKey" : "a" }'), 'a');
  assert.equal(find('{"properties":{"writeKey":"no"}}'), undefined);
  assert.equal(find('{"a":"\\"writeKey\\":\\"no\\""}'), undefined);
  assert.equal(find('{"a":"writeKey"}'), undefined);
  assert.equal(find('{"writeKey":null,"x":"writeKey"}'), undefined);
  assert.equal(find('{"writeKey":"a'), undefined);
});

test('the scan agrees with JSON.parse on every object', () => {
  const object = fc.dictionary(
    fc.oneof(fc.constant('writeKey'), fc.string()),
    fc.oneof(fc.stringMatching(/^[a-z0-9]{1,9}$/), fc.jsonValue()),
  );
  fc.assert(
    fc.property(object, (value) => {
      const written = (value as Record<string, unknown>)['writeKey'];
      const isPlain = typeof written === 'string' && /^[ !#-[\]-~]+$/.test(written);
      const expected = isPlain ? written : undefined;
      const found = keyOfBody(Buffer.from(JSON.stringify(value)));
      if (isPlain || typeof written !== 'string') assert.equal(found, expected);
    }),
  );
});
