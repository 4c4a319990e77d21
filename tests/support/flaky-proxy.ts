/**
 * A TCP proxy that cuts connections where a test says so, in the middle of frames too, and whose target
 * may change, as that of an address does when an appliance is replaced.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class FlakyProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #bytesUntilCut: () => number;
  #target: number;
  /** Connections that were cut on the way. */
  cuts = 0;

  private constructor(target: number, bytesUntilCut: () => number) {
    this.#target = target;
    this.#bytesUntilCut = bytesUntilCut;
    this.#server = createServer((socket) => this.#forward(socket));
  }

  /** @param bytesUntilCut for each connection: how many bytes, both ways together, it lives for. */
  static async open(
    target: number,
    bytesUntilCut: () => number = () => Infinity,
  ): Promise<FlakyProxy> {
    const proxy = new FlakyProxy(target, bytesUntilCut);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/v1/stream`;
  }

  retarget(port: number): void {
    this.#target = port;
  }

  /** Cuts every connection there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  #forward(near: Socket): void {
    const far = connect(this.#target, '127.0.0.1');
    let left = this.#bytesUntilCut();
    const drop = (): void => {
      near.destroy();
      far.destroy();
      this.#sockets.delete(near);
      this.#sockets.delete(far);
    };
    const pass = (bytes: Buffer, to: Socket): void => {
      if (to.destroyed) return;
      const part = bytes.subarray(0, Math.min(bytes.length, left));
      left -= bytes.length;
      if (left > 0) {
        to.write(bytes);
        return;
      }
      this.cuts += 1;
      to.write(part, drop);
      left = 0;
    };
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (bytes: Buffer) => pass(bytes, to));
      from.on('error', drop);
      from.on('close', drop);
    }
  }
}
