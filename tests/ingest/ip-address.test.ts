import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { isWithin, parseIpAddress, parseNetworks, readIpAddress } from '../../ingest/ip-address.ts';

const hex = (address: Uint8Array | undefined): string =>
  address === undefined ? 'none' : Buffer.from(address).toString('hex');

test('an address is 16 bytes, whichever way it is written', () => {
  const mapped = `${'00'.repeat(10)}ffff`;
  assert.equal(hex(parseIpAddress('10.1.2.255')), `${mapped}0a0102ff`);
  assert.equal(hex(parseIpAddress('::ffff:10.1.2.255')), `${mapped}0a0102ff`);
  assert.equal(hex(parseIpAddress('::ffff:a01:2ff')), `${mapped}0a0102ff`);
  assert.equal(hex(parseIpAddress('::')), '00'.repeat(16));
  assert.equal(hex(parseIpAddress('2001:DB8::1')), '20010db8000000000000000000000001');
  assert.equal(hex(parseIpAddress('1:2:3:4:5:6:7::')), '00010002000300040005000600070000');
  assert.equal(hex(readIpAddress(Uint8Array.of(10, 1, 2, 255).buffer)), `${mapped}0a0102ff`);
});

test('what is no address is none', () => {
  for (const text of [
    '',
    'unknown',
    '10.1.2',
    '10.1.2.256',
    '1::2::3',
    'fe80::1%eth0',
    '_hidden',
  ]) {
    assert.equal(parseIpAddress(text), undefined, text);
  }
  assert.equal(readIpAddress(new ArrayBuffer(0)), undefined);
  assert.equal(readIpAddress(new ArrayBuffer(5)), undefined);
});

test('networks between commas are read, and a wrong one refuses all', () => {
  assert.deepEqual(parseNetworks(''), []);
  assert.deepEqual(
    parseNetworks(' 10.0.0.0/8, fd00::/8 ,192.0.2.1')?.map(({ prefixBits }) => prefixBits),
    [104, 8, 128],
  );
  for (const text of ['10.0.0.0/33', 'fd00::/129', '10.0.0.0/', 'proxy', '10.0.0.0/8,x', '/8']) {
    assert.equal(parseNetworks(text), undefined, text);
  }
});

test('an address lies in a network when the block list of Node says so', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  const kindOf = (text: string): 'ipv4' | 'ipv6' => (isIP(text) === 4 ? 'ipv4' : 'ipv6');
  fc.assert(
    fc.property(address, address, fc.nat(128), fc.nat(128), (base, other, bits, kept) => {
      const kind = kindOf(base);
      const prefix = bits % (kind === 'ipv4' ? 33 : 129);
      const list = new BlockList();
      list.addSubnet(base, prefix, kind);
      const network = parseNetworks(`${base}/${prefix}`)![0]!;
      // Beside any other address one that shares its first bits: few would lie within by chance.
      const near = parseIpAddress(base)!;
      for (let bit = kept; bit < 128; bit += 3) near[bit >> 3]! ^= 0x80 >> (bit & 7);
      const nearText = [...new Uint16Array(near.slice().reverse().buffer)]
        .reverse()
        .map((group) => group.toString(16))
        .join(':');
      for (const text of [other, nearText]) {
        const parsed = parseIpAddress(text)!;
        // Node takes a mapped address for the IPv4 one only in a list of IPv4 networks.
        const isMapped = hex(parsed).startsWith(`${'00'.repeat(10)}ffff`);
        if (isMapped !== (kind === 'ipv4')) continue;
        const asIpv4 = [...parsed.subarray(12)].join('.');
        const expected = isMapped ? list.check(asIpv4, 'ipv4') : list.check(text, 'ipv6');
        assert.equal(isWithin(parsed, network), expected, `${text} in ${base}/${prefix}`);
      }
    }),
    { numRuns: 500 },
  );
});
