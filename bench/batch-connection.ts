/**
 * What a load generator needs of a connection, and the bytes that come back on one.
 *
 * The clients here are written over plain sockets: both ends of the connection run on the same machine,
 * so whatever the generator spends is taken from the appliance. They know as much of HTTP/1.1 and
 * RFC 6455 as our own server uses, and treat everything else as an error.
 */
import { connect, type Socket } from 'node:net';

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

/** A socket that gathers what it receives until the owner has taken whole answers from it. */
export class AnswerSocket {
  readonly socket: Socket;
  /** Takes whole answers from the start of `received`. @returns how many bytes it took. */
  readonly #take: (received: Buffer) => number;
  #received: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, take: (received: Buffer) => number) {
    this.socket = socket;
    this.#take = take;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      const received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
      this.#received = received.subarray(this.#take(received));
    });
  }

  static open(
    port: number,
    take: (received: Buffer) => number,
    onClosed: (error: Error) => void,
  ): Promise<AnswerSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('error', reject);
      socket.once('connect', () => resolve(new AnswerSocket(socket, take)));
      socket.on('error', onClosed);
      socket.on('close', () => onClosed(new Error('the appliance closed the connection')));
    });
  }

  /** Both pieces in one packet where they fit. */
  write(head: Buffer, payload: Buffer): void {
    this.socket.cork();
    this.socket.write(head);
    this.socket.write(payload);
    this.socket.uncork();
  }
}
