/** HTTP/1.1 with keep-alive as a soak needs it: any status is an answer, and a socket can be cut. */
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Answer } from './ledger.ts';

const OK = 200;
const BAD_REQUEST = 400;

/** What a send came to: an answer that decides, or a wait before the next attempt, or nothing. */
export type Delivery =
  | { readonly kind: 'decided'; readonly answer: Answer }
  | { readonly kind: 'later'; readonly milliseconds: number }
  | { readonly kind: 'lost' };

export class HttpLink {
  readonly #port: number;
  readonly #writeKey: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(port: number, writeKey: string) {
    this.#port = port;
    this.#writeKey = writeKey;
  }

  /** @param cutAfterMs destroys the socket then, answered or not. */
  send(payload: Buffer, cutAfterMs?: number): Promise<Delivery> {
    return new Promise((resolve) => {
      const lost = (): void => resolve({ kind: 'lost' });
      const sending = request({
        port: this.#port,
        host: '127.0.0.1',
        method: 'POST',
        path: '/v1/batch',
        agent: this.#agent,
        headers: {
          Authorization: `Bearer ${this.#writeKey}`,
          'Content-Length': payload.length,
        },
      });
      sending.on('error', lost);
      sending.on('response', (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', lost);
        response.on('end', () => {
          const retryAfter = Number(response.headers['retry-after'] ?? 1);
          resolve(deliveryOf(response.statusCode ?? 0, Buffer.concat(parts), retryAfter));
        });
      });
      sending.end(payload);
      if (cutAfterMs !== undefined) setTimeout(() => sending.destroy(), cutAfterMs).unref();
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function deliveryOf(status: number, body: Buffer, retryAfterSeconds: number): Delivery {
  if (status === OK) return { kind: 'decided', answer: JSON.parse(body.toString()) as Answer };
  if (status === BAD_REQUEST) return { kind: 'decided', answer: {} };
  return { kind: 'later', milliseconds: retryAfterSeconds * 1000 };
}

/** Imports NDJSON. What is interrupted counts as lost: sent again, what it had stored is duplicates. */
export async function sendImport(
  port: number,
  writeKey: string,
  importId: string,
  body: Buffer,
): Promise<Delivery> {
  const url = `http://127.0.0.1:${port}/v1/import?format=ndjson&import_id=${importId}`;
  const headers = { Authorization: `Bearer ${writeKey}` };
  try {
    const response = await fetch(url, { method: 'POST', headers, body });
    const lines = (await response.text()).trim().split('\n');
    const { state, accepted, duplicates } = JSON.parse(lines.at(-1)!) as ImportLine;
    if (state === 'complete') return { kind: 'decided', answer: { accepted, duplicates } };
  } catch {
    // The appliance is gone, or went away in the middle.
  }
  return { kind: 'lost' };
}

interface ImportLine {
  readonly state?: string;
  readonly accepted: number;
  readonly duplicates: number;
}

/** Sends the head of a request and half of its body, then nothing: the server has to end it. */
export function stallHalfWay(port: number, writeKey: string, payload: Buffer): Promise<void> {
  const socket: Socket = connect(port, '127.0.0.1');
  socket.write(
    `POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${writeKey}\r\n` +
      `Content-Length: ${payload.length}\r\n\r\n`,
  );
  socket.write(payload.subarray(0, payload.length >> 1));
  socket.resume();
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}
