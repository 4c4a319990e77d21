/**
 * What a load generator needs of a connection, and the bytes that come back on one.
 *
 * The clients here are written over plain sockets: both ends of the connection run on the same machine,
 * so whatever the generator spends is taken from the appliance. They know as much of HTTP/1.1 and
 * RFC 6455 as our own server uses, and treat everything else as an error.
 */
import { connect, type Socket } from 'node:net';
import { MIB } from '../base/units.ts';

export interface BatchConnection {
  /** Sends a payload; resolves with the events accepted when they are acknowledged. */
  send(payload: Buffer): Promise<number>;
  close(): void;
}

interface Answer {
  readonly accepted?: number;
}

/** @throws Error for an answer that is no acknowledgement. */
export function acceptedOf(text: string): number {
  const { accepted } = JSON.parse(text) as Answer;
  if (accepted === undefined) throw new Error(`not acknowledged: ${text}`);
  return accepted;
}

/** Many times the longest answer, of 1,000 look-ups. */
const ROOM_BYTES = MIB;

/**
 * A socket that gathers what it receives until the owner has taken whole answers from it. It reads into memory of
 * its own: a buffer made for every packet would be garbage that V8 collects beside what is measured.
 */
export class AnswerSocket {
  readonly socket: Socket;
  readonly #room: Buffer;
  #end = 0;
  /** Takes whole answers from the start of `received`. @returns how many bytes it took. */
  readonly #take: (received: Buffer) => number;

  private constructor(port: number, take: (received: Buffer) => number) {
    this.#take = take;
    this.#room = Buffer.allocUnsafeSlow(ROOM_BYTES);
    const onread = {
      buffer: () => this.#room.subarray(this.#end),
      callback: (bytes: number) => this.#receive(bytes),
    };
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, onread });
  }

  static open(
    port: number,
    take: (received: Buffer) => number,
    onClosed: (error: Error) => void,
  ): Promise<AnswerSocket> {
    return new Promise((resolve, reject) => {
      const answers = new AnswerSocket(port, take);
      answers.socket.once('error', reject);
      answers.socket.once('connect', () => resolve(answers));
      answers.socket.on('error', onClosed);
      answers.socket.on('close', () => onClosed(new Error('the appliance closed the connection')));
    });
  }

  /** Both pieces in one packet where they fit. */
  write(head: Buffer, payload: Buffer): void {
    this.socket.cork();
    this.socket.write(head);
    this.socket.write(payload);
    this.socket.uncork();
  }

  /** @returns whether to go on reading. */
  #receive(bytes: number): boolean {
    this.#end += bytes;
    const taken = this.#take(this.#room.subarray(0, this.#end));
    this.#room.copyWithin(0, taken, this.#end);
    this.#end -= taken;
    if (this.#end === ROOM_BYTES) throw new Error(`an answer is longer than ${ROOM_BYTES} bytes`);
    return true;
  }
}
