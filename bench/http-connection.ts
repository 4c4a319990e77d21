/** A producer over HTTP/1.1 with keep-alive: one request at a time, as SDKs send. */
import { AnswerSocket, acceptedOf, type BatchConnection } from './batch-connection.ts';

const HEAD_END = '\r\n\r\n';

interface Waiting {
  readonly resolve: (accepted: number) => void;
  readonly reject: (error: Error) => void;
}

export class HttpConnection implements BatchConnection {
  readonly #headers: string;
  #socket: AnswerSocket | undefined;
  #waiting: Waiting | undefined;

  private constructor(writeKey: string) {
    this.#headers = `Host: 127.0.0.1\r\nAuthorization: Bearer ${writeKey}\r\nContent-Type: application/json`;
  }

  static async open(port: number, writeKey: string): Promise<HttpConnection> {
    const connection = new HttpConnection(writeKey);
    connection.#socket = await AnswerSocket.open(
      port,
      (received) => connection.#takeAnswer(received),
      (error) => connection.#waiting?.reject(error),
    );
    return connection;
  }

  /** The answer before this one has come. */
  send(payload: Buffer): Promise<number> {
    const head = `POST /v1/batch HTTP/1.1\r\n${this.#headers}\r\nContent-Length: ${payload.length}${HEAD_END}`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket!.write(Buffer.from(head, 'latin1'), payload);
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket?.socket.destroy();
  }

  #takeAnswer(received: Buffer): number {
    const headBytes = received.indexOf(HEAD_END) + HEAD_END.length;
    if (headBytes < HEAD_END.length) return 0;
    const head = received.toString('latin1', 0, headBytes);
    const bodyBytes = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    const end = headBytes + bodyBytes;
    if (received.length < end) return 0;
    const waiting = this.#waiting;
    try {
      if (!head.startsWith('HTTP/1.1 200')) throw new Error(`not acknowledged: ${head}`);
      waiting?.resolve(acceptedOf(received.toString('utf8', headBytes, end)));
    } catch (error) {
      waiting?.reject(error as Error);
    }
    return end;
  }
}
