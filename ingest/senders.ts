/**
 * Who sent a request: the peer of the connection, or, behind proxies the operator trusts, whom they name.
 *
 * Each proxy appends to `X-Forwarded-For` the address it was called from. Read from the right, the first
 * address that is none of our proxies is the sender; whatever stands left of it the sender has written, and
 * may have made up. From a peer that is no proxy of ours the header is not read at all.
 *
 * - A proxy may append a line instead of a word: all lines of the header count, in their order.
 * - What a trusted proxy names and cannot be read is nobody: no address is stored, and the peer is counted.
 */
import {
  type IpNetwork,
  isMappedIpv4,
  isWithin,
  parseIpAddress,
  readIpAddress,
} from './ip-address.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

export interface Sender {
  /**
   * What is counted as one: an IPv4 address, or the /64 an IPv6 address lies in, which is what one customer
   * of a provider gets.
   */
  readonly group: string;
  /** What its events get as `context.ip`, 16 bytes; undefined when it is not known, or not to be stored. */
  readonly address: Uint8Array | undefined;
}

export interface SenderOptions {
  /** Proxies whose word on a sender's address is taken. */
  readonly trustedProxies: readonly IpNetwork[];
  /** Whether events get the addresses of their senders. */
  readonly storesAddresses: boolean;
}

const HEADER = 'x-forwarded-for';
/** What some proxies write: `203.0.113.9:4711`, `[2001:db8::1]:4711`, `[2001:db8::1]`. */
const WITH_PORT = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/;
const IPV6_GROUP_BYTES = 8;

export class Senders {
  readonly #trustedProxies: readonly IpNetwork[];
  readonly #storesAddresses: boolean;

  constructor({ trustedProxies, storesAddresses }: SenderOptions) {
    this.#trustedProxies = trustedProxies;
    this.#storesAddresses = storesAddresses;
  }

  /** Call it in the route handler, where the request is still there. */
  of(response: HttpResponse, request: HttpRequest): Sender {
    const peer = readIpAddress(response.getRemoteAddress());
    const address = peer !== undefined && this.#isTrusted(peer) ? this.#named(peer, request) : peer;
    const counted = address ?? peer;
    return {
      group: counted === undefined ? '' : groupOf(counted),
      address: this.#storesAddresses ? address : undefined,
    };
  }

  /** Whom the proxy `peer` names; itself when it names nobody, as for a request of its own. */
  #named(peer: Uint8Array, request: HttpRequest): Uint8Array | undefined {
    let sender: Uint8Array | undefined = peer;
    for (const hop of hopsOf(request).reverse()) {
      sender = parseIpAddress(hop);
      if (sender === undefined || !this.#isTrusted(sender)) break;
    }
    return sender;
  }

  #isTrusted(address: Uint8Array): boolean {
    return this.#trustedProxies.some((network) => isWithin(address, network));
  }
}

/** The addresses of all lines of the header, from the farthest hop to the nearest. */
function hopsOf(request: HttpRequest): string[] {
  const lines: string[] = [];
  request.forEach((name, value) => {
    if (name === HEADER) lines.push(value);
  });
  const words = lines.flatMap((line) => line.split(',')).map((word) => word.trim());
  return words.filter((word) => word !== '').map(withoutPort);
}

function withoutPort(hop: string): string {
  const match = WITH_PORT.exec(hop);
  return match?.[1] ?? match?.[2] ?? hop;
}

function groupOf(address: Uint8Array): string {
  const bytes = isMappedIpv4(address)
    ? address.subarray(12)
    : address.subarray(0, IPV6_GROUP_BYTES);
  return Buffer.from(bytes).toString('hex');
}
