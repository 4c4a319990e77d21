/** A producer over the WebSocket protocol of docs/websocket.md: binary frames, many under way. */
import { AnswerSocket, type BatchConnection } from './batch-connection.ts';
import { HEAD_END, upgradeRequest } from './stream-upgrade.ts';

/** Final fragment, binary; masked with a key of zeros, which leaves the payload as it is. */
const FINAL_BINARY = 0x82;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const CODEC_JSON = 1;
const BATCH_HEAD_BYTES = 5;

interface Granting {
  readonly credit?: { readonly batches: number };
}

interface StreamAnswer extends Granting {
  readonly hello?: Granting;
  readonly ack?: number;
  readonly nack?: number;
  readonly accepted: number;
}

interface Waiting {
  readonly resolve: (accepted: number) => void;
  readonly reject: (error: Error) => void;
}

export class StreamConnection implements BatchConnection {
  readonly #waiting = new Map<number, Waiting>();
  #socket: AnswerSocket | undefined;
  #isUpgraded = false;
  #batches = 0;
  /** Batches that may leave now, as the appliance has granted them. */
  #credit = 0;
  /** Those that wait for it. */
  readonly #held: (() => void)[] = [];
  /** Who waits for the hello; undefined once it has come. */
  #opening: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;

  private constructor() {}

  /** Resolves when the server has said hello. */
  static async open(port: number, writeKey: string): Promise<StreamConnection> {
    const connection = new StreamConnection();
    const hello = new Promise<void>((resolve, reject) => {
      connection.#opening = { resolve, reject };
    });
    connection.#socket = await AnswerSocket.open(
      port,
      (received) => connection.#takeFrames(received),
      (error) => connection.#fail(error),
    );
    connection.#socket.socket.write(upgradeRequest(writeKey));
    await hello;
    return connection;
  }

  /** Leaves as soon as there is credit for it. */
  send(payload: Buffer): Promise<number> {
    const id = this.#batches;
    this.#batches += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#held.push(() => this.#socket!.write(frameHead(id, payload.length), payload));
      this.#grant(0);
    });
  }

  #grant(batches: number): void {
    this.#credit += batches;
    while (this.#credit > 0 && this.#held.length > 0) {
      this.#credit -= 1;
      this.#held.shift()!();
    }
  }

  close(): void {
    this.#waiting.clear();
    this.#socket?.socket.destroy();
  }

  #takeFrames(received: Buffer): number {
    let position = 0;
    if (!this.#isUpgraded) {
      const end = received.indexOf(HEAD_END);
      if (end < 0) return 0;
      this.#isUpgraded = true;
      position = end + HEAD_END.length;
      const head = received.toString('latin1', 0, end);
      if (!head.startsWith('HTTP/1.1 101')) this.#fail(new Error(`not upgraded: ${head}`));
    }
    for (;;) {
      const frame = readFrame(received, position);
      if (frame === undefined) return position;
      position = frame.end;
      this.#receive(frame.text);
    }
  }

  #receive(text: string): void {
    const answer = JSON.parse(text) as StreamAnswer;
    if (answer.ack !== undefined) {
      this.#waiting.get(answer.ack)?.resolve(answer.accepted);
      this.#waiting.delete(answer.ack);
    } else if (answer.nack !== undefined) this.#fail(new Error(`not acknowledged: ${text}`));
    this.#grant((answer.hello ?? answer).credit?.batches ?? 0);
    if (answer.hello === undefined) return;
    this.#opening?.resolve();
    this.#opening = undefined;
  }

  #fail(error: Error): void {
    this.#opening?.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function frameHead(id: number, payloadBytes: number): Buffer {
  const bytes = BATCH_HEAD_BYTES + payloadBytes;
  // Of Node's pool: memory of its own for each would have V8 mark its heap twice a second.
  const head = Buffer.allocUnsafe(14 + BATCH_HEAD_BYTES);
  head[0] = FINAL_BINARY;
  let end = 2;
  if (bytes < LENGTH_16) head[1] = MASKED | bytes;
  else if (bytes < 2 ** 16) {
    head[1] = MASKED | LENGTH_16;
    end = head.writeUInt16BE(bytes, end);
  } else {
    head[1] = MASKED | LENGTH_64;
    end = head.writeBigUInt64BE(BigInt(bytes), end);
  }
  end = head.writeUInt32BE(0, end); // the mask
  end = head.writeUInt8(CODEC_JSON, end);
  return head.subarray(0, head.writeUInt32LE(id, end));
}

/** Frames of a server are not masked, and ours are short and not fragmented. */
function readFrame(received: Buffer, start: number): { text: string; end: number } | undefined {
  if (received.length < start + 4) return undefined;
  const short = received[start + 1]! & 0x7f;
  const head = start + (short < LENGTH_16 ? 2 : 4);
  const end = head + (short < LENGTH_16 ? short : received.readUInt16BE(start + 2));
  return received.length < end ? undefined : { text: received.toString('utf8', head, end), end };
}
