/**
 * A WebSocket stream as a soak needs it (docs/websocket.md): many batches under way, answers of any kind,
 * a reader that can stop reading, and a socket that can be cut.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { Delivery } from './http-link.ts';
import type { Answer } from './ledger.ts';

const HEAD_END = '\r\n\r\n';
const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;
const FINAL = 0x80;
const MASKED = 0x80;
/** The first byte of a binary frame. */
const CODECS = { json: 1, msgpack: 2 } as const;

/** A batch as it travels: attempts of one on a named stream have the same id. */
export interface StreamFrame {
  readonly id: number;
  readonly codec: keyof typeof CODECS;
  readonly payload: Buffer;
}

interface Message {
  readonly ack?: number;
  readonly nack?: number;
  readonly error?: { readonly retryable: boolean };
  readonly retry_after_ms?: number;
}

export class StreamLink {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (delivery: Delivery) => void>();
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;

  private constructor(socket: Socket, received: Buffer) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', () => {});
    socket.on('close', () => this.#loseAll());
    this.#take(received);
  }

  /**
   * @param stream goes on with the stream of that name.
   * @throws Error when the upgrade is refused, or nobody listens.
   */
  static open(port: number, writeKey: string, stream?: string): Promise<StreamLink> {
    const socket = connect(port, '127.0.0.1');
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET /v1/stream${stream === undefined ? '' : `?stream=${stream}`} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n` +
        `Authorization: Bearer ${writeKey}${HEAD_END}`,
    );
    return new Promise((resolve, reject) => {
      let head = Buffer.alloc(0);
      const onData = (bytes: Buffer): void => {
        head = Buffer.concat([head, bytes]);
        const end = head.indexOf(HEAD_END);
        if (end < 0) return;
        socket.off('data', onData);
        socket.off('error', reject);
        const status = head.toString('latin1', 0, head.indexOf('\r\n'));
        if (status.includes(' 101 ')) {
          resolve(new StreamLink(socket, head.subarray(end + HEAD_END.length)));
        } else {
          socket.destroy();
          reject(new Error(`not upgraded: ${status}`));
        }
      };
      socket.on('data', onData);
      socket.on('error', reject);
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The caller keeps within the credit of the hello. */
  send({ id, codec, payload }: StreamFrame): Promise<Delivery> {
    if (this.#isClosed) return Promise.resolve({ kind: 'lost' });
    const head = Buffer.alloc(5);
    head.writeUInt8(CODECS[codec]);
    head.writeUInt32LE(id, 1);
    this.#write(0x2, Buffer.concat([head, payload]));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** Leaves what comes in the kernel's buffers, then reads on. */
  pauseReading(milliseconds: number): void {
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), milliseconds).unref();
  }

  /** Ends the connection without a close frame; what is under way is lost. */
  cut(): void {
    this.#socket.destroy();
    this.#loseAll();
  }

  #loseAll(): void {
    this.#isClosed = true;
    for (const resolve of this.#waiting.values()) resolve({ kind: 'lost' });
    this.#waiting.clear();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    for (;;) {
      const frame = readFrame(this.#received);
      if (frame === undefined) return;
      this.#received = this.#received.subarray(frame.end);
      if (frame.opcode === PING) this.#write(PONG, frame.payload);
      else if (frame.opcode === CLOSE) this.#socket.end();
      else if (frame.opcode === TEXT) this.#receive(frame.payload.toString());
    }
  }

  #receive(text: string): void {
    const message = JSON.parse(text) as Message & Answer;
    if (message.ack !== undefined) this.#resolve(message.ack, { kind: 'decided', answer: message });
    if (message.nack === undefined) return;
    const milliseconds = message.retry_after_ms ?? 1000;
    const isFinal = message.error?.retryable !== true;
    this.#resolve(
      message.nack,
      isFinal ? { kind: 'decided', answer: {} } : { kind: 'later', milliseconds },
    );
  }

  #resolve(id: number, delivery: Delivery): void {
    this.#waiting.get(id)?.(delivery);
    this.#waiting.delete(id);
  }

  /** Masked with a key of zeros, which leaves the payload as it is. */
  #write(opcode: number, payload: Buffer): void {
    const head = Buffer.alloc(14);
    head[0] = FINAL | opcode;
    let end = 2;
    if (payload.length < 126) head[1] = MASKED | payload.length;
    else if (payload.length < 2 ** 16) {
      head[1] = MASKED | 126;
      end = head.writeUInt16BE(payload.length, end);
    } else {
      head[1] = MASKED | 127;
      end = head.writeBigUInt64BE(BigInt(payload.length), end);
    }
    this.#socket.cork();
    this.#socket.write(head.subarray(0, end + 4));
    this.#socket.write(payload);
    this.#socket.uncork();
  }
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Where the next frame begins. */
  readonly end: number;
}

/** A server's frames are not masked, and ours are shorter than 64 KiB and not fragmented. */
function readFrame(received: Buffer): Frame | undefined {
  if (received.length < 4) return undefined;
  const short = received[1]! & 0x7f;
  const start = short < 126 ? 2 : 4;
  const end = start + (short < 126 ? short : received.readUInt16BE(2));
  if (received.length < end) return undefined;
  return { opcode: received[0]! & 0x0f, payload: received.subarray(start, end), end };
}
