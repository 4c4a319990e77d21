/**
 * A client that asks prepared questions over a plain socket and counts the answers, which come in order.
 * It must cost next to nothing: it runs on the machine that it measures. So it finds the ends of answers,
 * looks into none of them but the first, writes what is due as one piece, and leaves hardly any garbage.
 */
import { assert } from '../base/assert.ts';
import { KIB } from '../base/units.ts';
import { AnswerSocket } from './batch-connection.ts';
import { HEAD_END, upgradeRequest } from './stream-upgrade.ts';

const FINAL_TEXT = 0x81;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

export type Transport = 'http' | 'websocket';

/** The bytes of a GET of one identifier. */
export function httpQuestion(path: string, adminKey: string): Buffer {
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${adminKey}${HEAD_END}`,
  );
}

/** The bytes of a text frame, masked with a key of zeros, which leaves the text as it is. */
export function frameQuestion(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.alloc(14);
  head[0] = FINAL_TEXT;
  let end = 2;
  if (payload.length < LENGTH_16) head[1] = MASKED | payload.length;
  else if (payload.length < 2 ** 16) {
    head[1] = MASKED | LENGTH_16;
    end = head.writeUInt16BE(payload.length, end);
  } else {
    head[1] = MASKED | LENGTH_64;
    end = head.writeBigUInt64BE(BigInt(payload.length), end);
  }
  return Buffer.concat([head.subarray(0, end + 4), payload]);
}

/** Questions of one connection that can be unanswered at once, written or not; a power of two. */
const UNANSWERED_MAX = 2 ** 16;
/**
 * Bytes of questions that are written and unanswered, at least two questions. Where a server that stands still has
 * no room for more, the kernel cuts a question anywhere, and the library answers some cuts with a 505 (ingest/uws.ts).
 */
const WRITTEN_BYTES_MAX = 32 * KIB;

/** Told of the answers of one packet, and how long each took: below `count`, to be read at once. May ask for more. */
export type TakeAnswers = (
  connection: QuestionConnection,
  count: number,
  latenciesMs: Float64Array,
) => void;

/** Prepared questions one behind another, so that some of them are sent as the piece that they lie in. */
export class Questions {
  readonly bytes: Buffer;
  /** Where each begins, and the last ends. */
  readonly starts: readonly number[];

  constructor(questions: readonly Buffer[]) {
    this.bytes = Buffer.concat(questions);
    const starts = [0];
    for (const { length } of questions) starts.push(starts.at(-1)! + length);
    this.starts = starts;
  }

  get count(): number {
    return this.starts.length - 1;
  }
}

export class QuestionConnection {
  readonly #questions: Questions;
  readonly #sizeOf: (received: Buffer, start: number) => number;
  readonly #onAnswers: TakeAnswers;
  /** Questions that are written and unanswered at the most. */
  readonly #writtenMax: number;
  /** When questions were asked, and how long the answers of one packet took: rings. */
  readonly #askedMs = new Float64Array(UNANSWERED_MAX);
  readonly #latenciesMs = new Float64Array(UNANSWERED_MAX);
  #asked = 0;
  #written = 0;
  #answered = 0;
  #socket: AnswerSocket | undefined;
  #next = 0;
  #isUpgraded: boolean;
  /** Who waits for the server's first frame; undefined once it has come. */
  #onHello: (() => void) | undefined;
  /** The first answer, for whoever wants to see that it is one. */
  firstAnswer = '';

  private constructor(transport: Transport, questions: Questions, onAnswers: TakeAnswers) {
    this.#questions = questions;
    this.#onAnswers = onAnswers;
    const questionBytes = questions.bytes.length / questions.count;
    this.#writtenMax = Math.max(2, Math.floor(WRITTEN_BYTES_MAX / questionBytes));
    this.#isUpgraded = transport === 'http';
    this.#sizeOf = transport === 'http' ? httpAnswerSizes() : frameBytes;
  }

  static async open(
    transport: Transport,
    address: { readonly port: number; readonly adminKey: string },
    questions: Questions,
    onAnswers: TakeAnswers,
  ): Promise<QuestionConnection> {
    const connection = new QuestionConnection(transport, questions, onAnswers);
    connection.#socket = await AnswerSocket.open(
      address.port,
      (received) => connection.#take(received),
      () => undefined, // Whoever waits for answers has a deadline.
    );
    if (transport === 'http') return connection;
    // What is sent before the upgrade is answered would be lost.
    const hello = new Promise<void>((resolve) => {
      connection.#onHello = resolve;
    });
    connection.#socket.socket.write(upgradeRequest(address.adminKey));
    await hello;
    return connection;
  }

  get unanswered(): number {
    return this.#asked - this.#answered;
  }

  /** Asks the next `count` questions, which go round; they are written when there is room for them. */
  ask(count: number): void {
    assert(this.unanswered + count <= UNANSWERED_MAX, 'answers come');
    const now = performance.now();
    for (let asked = 0; asked < count; asked += 1) {
      this.#askedMs[this.#asked % UNANSWERED_MAX] = now;
      this.#asked += 1;
    }
    this.#write();
  }

  #write(): void {
    const { bytes, starts, count: known } = this.#questions;
    const room = this.#writtenMax - (this.#written - this.#answered);
    for (let left = Math.min(room, this.#asked - this.#written); left > 0; ) {
      const end = Math.min(this.#next + left, known);
      this.#socket!.socket.write(bytes.subarray(starts[this.#next], starts[end]));
      left -= end - this.#next;
      this.#written += end - this.#next;
      this.#next = end % known;
    }
  }

  close(): void {
    this.#socket?.socket.destroy();
  }

  #take(received: Buffer): number {
    let position = 0;
    if (!this.#isUpgraded) {
      position = received.indexOf(HEAD_END) + HEAD_END.length;
      if (position < HEAD_END.length) return 0;
      this.#isUpgraded = true;
    }
    const now = performance.now();
    let count = 0;
    for (;;) {
      const bytes = this.#sizeOf(received, position);
      if (bytes === 0 || position + bytes > received.length) break;
      position += bytes;
      if (this.#onHello !== undefined) {
        this.#onHello();
        this.#onHello = undefined;
        continue;
      }
      if (this.firstAnswer === '') {
        this.firstAnswer = received.toString('utf8', position - bytes, position);
      }
      this.#latenciesMs[count] = now - this.#askedMs[this.#answered % UNANSWERED_MAX]!;
      this.#answered += 1;
      count += 1;
    }
    if (count > 0) this.#onAnswers(this, count, this.#latenciesMs);
    this.#write();
    return position;
  }
}

/**
 * Tells the length of the answer that begins at `start`, 0 while its head is not whole. Answers that are equally long
 * have the same head, byte by byte, so a head is read as text only when it is not the last one.
 * @throws Error when it has no length.
 */
function httpAnswerSizes(): (received: Buffer, start: number) => number {
  let head = Buffer.alloc(0);
  let bytes = 0;
  return (received, start) => {
    const end = start + head.length;
    const isSame =
      bytes > 0 &&
      received.length >= end &&
      received.compare(head, 0, head.length, start, end) === 0;
    if (isSame) return bytes;
    const body = received.indexOf(HEAD_END, start) + HEAD_END.length;
    if (body < HEAD_END.length) return 0;
    const text = received.toString('latin1', start, body);
    const length = /^content-length: (\d+)/im.exec(text)?.[1];
    if (length === undefined) throw new Error(`an answer without a length: ${text}`);
    head = Buffer.from(received.subarray(start, body));
    bytes = head.length + Number(length);
    return bytes;
  };
}

/** Frames of a server are not masked. */
function frameBytes(received: Buffer, start: number): number {
  if (received.length < start + 2) return 0;
  const short = received[start + 1]!;
  if (short < LENGTH_16) return 2 + short;
  if (received.length < start + 10) return 0;
  return short === LENGTH_16
    ? 4 + received.readUInt16BE(start + 2)
    : 10 + Number(received.readBigUInt64BE(start + 2));
}
