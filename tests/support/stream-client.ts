/** A WebSocket client (RFC 6455) that is small enough to misbehave on purpose. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

type Message = Record<string, unknown>;

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

export class StreamClient {
  readonly #socket: Socket;
  readonly #waiting: ((message: Message) => void)[] = [];
  readonly #messages: Message[] = [];
  #received: Buffer;
  /** Resolves with the close code; 1006 when there was none (RFC 6455 section 7.1.5). */
  readonly closed: Promise<number>;
  #closeWith: (code: number) => void = () => {};

  private constructor(socket: Socket, received: Buffer) {
    this.#socket = socket;
    this.#received = received;
    this.closed = new Promise((resolve) => {
      this.#closeWith = resolve;
    });
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#takeFrames();
    });
    socket.on('close', () => this.#closeWith(1006));
    socket.on('error', () => this.#closeWith(1006));
    this.#takeFrames();
  }

  /** @throws Error with the status line when the upgrade is refused. */
  static open(
    port: number,
    headers: Readonly<Record<string, string>> = {},
    path = '/v1/stream',
  ): Promise<StreamClient> {
    const socket = connect(port, '127.0.0.1');
    const lines = Object.entries({
      Host: '127.0.0.1',
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    return new Promise((resolve, reject) => {
      let head = Buffer.alloc(0);
      const onData = (bytes: Buffer): void => {
        head = Buffer.concat([head, bytes]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        socket.off('data', onData);
        const status = head.toString('latin1', 0, head.indexOf('\r\n'));
        if (status.includes(' 101 ')) {
          resolve(new StreamClient(socket, head.subarray(end + 4)));
        } else {
          socket.destroy();
          reject(new Error(status));
        }
      };
      socket.on('data', onData);
      socket.on('error', reject);
    });
  }

  sendText(text: string): void {
    this.#send(TEXT, Buffer.from(text));
  }

  sendBinary(bytes: Uint8Array): void {
    this.#send(BINARY, Buffer.from(bytes));
  }

  /** A batch as a text frame. */
  sendBatch(id: number, events: readonly unknown[]): void {
    this.sendText(`${id}\n${JSON.stringify({ batch: events })}`);
  }

  /** The next message of the server. */
  next(): Promise<Message> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Drops the connection without a close frame. */
  destroy(): void {
    this.#socket.destroy();
  }

  #takeFrames(): void {
    for (;;) {
      const frame = readFrame(this.#received);
      if (frame === undefined) return;
      this.#received = this.#received.subarray(frame.bytes);
      if (frame.opcode === CLOSE) {
        const { payload } = frame;
        this.#closeWith(payload.length >= 2 ? payload.readUInt16BE(0) : 1005);
        this.#send(CLOSE, payload);
        this.#socket.end();
      } else if (frame.opcode === TEXT) {
        const message = JSON.parse(frame.payload.toString('utf8')) as Message;
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#messages.push(message);
        else waiting(message);
      } else if (frame.opcode === PING) {
        this.#send(10, frame.payload);
      }
    }
  }

  /** Client frames are masked (RFC 6455 section 5.3); a mask of zeros is one. */
  #send(opcode: number, payload: Buffer): void {
    const head = Buffer.alloc(14);
    head[0] = 0x80 | opcode;
    let length = 2;
    if (payload.length < 126) {
      head[1] = 0x80 | payload.length;
    } else if (payload.length < 65_536) {
      head[1] = 0x80 | 126;
      length = head.writeUInt16BE(payload.length, 2);
    } else {
      head[1] = 0x80 | 127;
      length = head.writeBigUInt64BE(BigInt(payload.length), 2);
    }
    this.#socket.write(Buffer.concat([head.subarray(0, length + 4), payload]));
  }
}

interface ReceivedFrame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Of the whole frame. */
  readonly bytes: number;
}

/** Server frames are not masked and, as ours are, not fragmented. */
function readFrame(received: Buffer): ReceivedFrame | undefined {
  if (received.length < 2) return undefined;
  const short = received[1]! & 0x7f;
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (received.length < head) return undefined;
  const length =
    short < 126
      ? short
      : short === 126
        ? received.readUInt16BE(2)
        : Number(received.readBigUInt64BE(2));
  if (received.length < head + length) return undefined;
  const payload = Buffer.from(received.subarray(head, head + length));
  return { opcode: received[0]! & 0x0f, payload, bytes: head + length };
}
