/**
 * One WebSocket connection: it says hello, hands over what the appliance answers, and ends once.
 *
 * A half-open connection is not told by a socket for minutes, and the standard's WebSocket does not show
 * the server's pings. So an appliance that owes something and is silent for `silenceMsMax` is given up.
 */
import { type Answer, PROTOCOL, parseAnswer } from './frames.ts';
import type { WebSocketConstructor, WebSocketLike } from './types.ts';

export interface ConnectionOptions {
  readonly url: string;
  readonly WebSocket: WebSocketConstructor;
  /** The first frame. */
  readonly hello: string;
  readonly silenceMsMax: number;
  readonly onAnswer: (answer: Answer) => void;
  /** Whether an answer is due. */
  readonly isOwed: () => boolean;
  /** Called once, with the close code; 1006 when there was none. */
  readonly onEnd: (code: number, reason: string) => void;
}

const ABNORMAL = 1006;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocketLike;
  readonly #watch: ReturnType<typeof setInterval>;
  #hasHello = false;
  /** Something was sent or heard since the watch last looked. */
  #isLively = true;
  #hasEnded = false;

  /** @throws when the URL is none. */
  constructor(options: ConnectionOptions) {
    const { hello, silenceMsMax, url, WebSocket } = options;
    this.#options = options;
    this.#socket = new WebSocket(url, [PROTOCOL]);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.onopen = () => this.#socket.send(hello);
    this.#socket.onmessage = (event: { readonly data: unknown }) => this.#hear(event.data);
    // A close with 1006 follows by the standard; undici, which is Node's, leaves it out before the open.
    this.#socket.onerror = () => this.#end(ABNORMAL, 'the connection failed');
    this.#socket.onclose = (event: { readonly code: number; readonly reason: string }) =>
      this.#end(event.code, event.reason);
    this.#watch = setInterval(() => this.#look(), silenceMsMax);
  }

  /** After the hello and before the end. */
  get isReady(): boolean {
    return this.#hasHello && !this.#hasEnded;
  }

  send(frame: Uint8Array): void {
    this.#isLively = true;
    this.#socket.send(frame);
  }

  close(): void {
    this.#socket.close(1000);
    this.#end(1000, '');
  }

  #hear(data: unknown): void {
    if (this.#hasEnded || typeof data !== 'string') return;
    this.#isLively = true;
    let answer: Answer | undefined;
    try {
      answer = parseAnswer(data);
    } catch {
      this.#socket.close();
      this.#end(ABNORMAL, 'what answers is not the appliance');
      return;
    }
    if (answer === undefined) return;
    if (answer.kind === 'hello') this.#hasHello = true;
    this.#options.onAnswer(answer);
  }

  #look(): void {
    const isDue = !this.#hasHello || this.#options.isOwed();
    if (isDue && !this.#isLively) {
      this.#socket.close();
      this.#end(ABNORMAL, 'the appliance is silent');
    }
    this.#isLively = false;
  }

  #end(code: number, reason: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearInterval(this.#watch);
    this.#options.onEnd(code, reason);
  }
}
