/**
 * The duplicate window, written again with plain maps: four generations, the oldest of which is dropped
 * when a third of the window has passed. The native one is held against it.
 */
const GENERATIONS = 4;

export class ReferenceMessageWindow {
  /** Newest first; from message ids to what was said under them. */
  readonly #generations: Map<string, string>[] = [new Map()];
  #spanMicros: number;
  #spanEnds: number | undefined;

  constructor(windowMicros: number) {
    this.#spanMicros = Math.max(1, Math.floor(windowMicros / (GENERATIONS - 1)));
  }

  /** Holds for the generations opened from now on. */
  setWindow(windowMicros: number): void {
    this.#spanMicros = Math.max(1, Math.floor(windowMicros / (GENERATIONS - 1)));
  }

  /**
   * Time passes with each batch, also with one whose events were all refused. It matters where the window
   * is changed after it: what was forgotten by the window of then stays so.
   */
  moveTo(receivedAtMicros: number): void {
    this.#spanEnds ??= receivedAtMicros + this.#spanMicros;
    for (let turns = 0; receivedAtMicros >= this.#spanEnds; turns += 1) {
      if (turns === GENERATIONS) {
        this.#spanEnds = receivedAtMicros + this.#spanMicros;
        return;
      }
      this.#generations.unshift(new Map());
      this.#generations.length = Math.min(this.#generations.length, GENERATIONS);
      this.#spanEnds += this.#spanMicros;
    }
  }

  /** @returns what became of the id: `new`, or sent before, with the same content or another. */
  add(messageId: string, content: string): 'new' | 'same' | 'differs' {
    const known = this.#generations.find((generation) => generation.has(messageId));
    if (known !== undefined) return known.get(messageId) === content ? 'same' : 'differs';
    this.#generations[0]!.set(messageId, content);
    return 'new';
  }
}
