/**
 * IP addresses and networks as bytes: an IPv4 address is the IPv6 one it is mapped to (RFC 4291 section
 * 2.5.5.2), so that a socket of both kinds, a header and a network of the configuration speak of the same.
 */
import { isIP } from 'node:net';

export const ADDRESS_BYTES = 16;
const IPV4_BYTES = 4;
const GROUPS = 8;
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
const MAPPED_BITS = 8 * MAPPED_PREFIX.length;

export interface IpNetwork {
  readonly address: Uint8Array;
  /** Of the 16 bytes: how many of the first bits are the network's. */
  readonly prefixBits: number;
}

/** @returns 16 bytes; undefined for a text that is no address, or one with a zone. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  const version = isIP(text);
  if (version === 4) return mapIpv4(text.split('.').map(Number));
  return version === 6 && !text.includes('%') ? parseIpv6(text) : undefined;
}

/** A copy of an address as sockets have it, in 4 or 16 bytes; undefined for any other length. */
export function readIpAddress(bytes: ArrayBuffer): Uint8Array | undefined {
  if (bytes.byteLength === IPV4_BYTES) return mapIpv4(new Uint8Array(bytes));
  return bytes.byteLength === ADDRESS_BYTES ? new Uint8Array(bytes.slice(0)) : undefined;
}

export function isMappedIpv4(address: Uint8Array): boolean {
  return MAPPED_PREFIX.every((byte, index) => address[index] === byte);
}

/** Networks between commas, such as `10.0.0.0/8, fd00::/8, 192.0.2.1`; undefined when one of them is none. */
export function parseNetworks(text: string): readonly IpNetwork[] | undefined {
  const words = text.split(',').map((word) => word.trim());
  const networks = words.filter((word) => word !== '').map(parseNetwork);
  return networks.every((network) => network !== undefined) ? networks : undefined;
}

function parseNetwork(text: string): IpNetwork | undefined {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = parseIpAddress(match?.[1] ?? '');
  if (match === null || address === undefined) return undefined;
  const skippedBits = match[1]!.includes(':') ? 0 : MAPPED_BITS;
  const prefixBits = skippedBits + Number(match[2] ?? 8 * ADDRESS_BYTES - skippedBits);
  return prefixBits <= 8 * ADDRESS_BYTES ? { address, prefixBits } : undefined;
}

export function isWithin(address: Uint8Array, network: IpNetwork): boolean {
  const wholeBytes = network.prefixBits >> 3;
  for (let index = 0; index < wholeBytes; index += 1) {
    if (address[index] !== network.address[index]) return false;
  }
  const restBits = network.prefixBits & 7;
  if (restBits === 0) return true;
  return (address[wholeBytes]! ^ network.address[wholeBytes]!) >> (8 - restBits) === 0;
}

function mapIpv4(bytes: ArrayLike<number>): Uint8Array {
  const address = new Uint8Array(ADDRESS_BYTES);
  address.set(MAPPED_PREFIX);
  address.set(bytes, MAPPED_PREFIX.length);
  return address;
}

/** `text` is one by RFC 4291 section 2.2: groups of hexadecimal digits, `::` for zeros, IPv4 at the end. */
function parseIpv6(text: string): Uint8Array {
  const [head = '', tail = ''] = text.split('::');
  const [before, behind] = [groupsOf(head), groupsOf(tail)];
  const zeros = new Array<number>(GROUPS - before.length - behind.length).fill(0);
  const address = new Uint8Array(ADDRESS_BYTES);
  const view = new DataView(address.buffer);
  for (const [index, group] of [...before, ...zeros, ...behind].entries()) {
    view.setUint16(2 * index, group);
  }
  return address;
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
