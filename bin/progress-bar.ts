/** A progress bar on one line of a terminal; on anything else it says nothing until the end. */

const WIDTH = 30;
const INTERVAL_MS = 100;

export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  readonly #total: number | undefined;
  #drawnAtMs = Number.NEGATIVE_INFINITY;

  /** @param total undefined when the end is not known. */
  constructor(stream: NodeJS.WriteStream, total: number | undefined) {
    this.#stream = stream;
    this.#total = total;
  }

  draw(done: number, text: string, isLast = false): void {
    const nowMs = performance.now();
    if (!this.#stream.isTTY || (!isLast && nowMs - this.#drawnAtMs < INTERVAL_MS)) return;
    this.#drawnAtMs = nowMs;
    this.#stream.write(`\r\x1b[2K${this.#bar(done)}${text}${isLast ? '\n' : ''}`);
  }

  #bar(done: number): string {
    if (this.#total === undefined || this.#total === 0) return '';
    const share = Math.min(1, done / this.#total);
    const filled = Math.round(share * WIDTH);
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    return `[${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}] ${percent}  `;
  }
}
