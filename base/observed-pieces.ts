/**
 * Passes pieces on and tells what becomes of their source.
 *
 * Why: a stream that is fed from a generator throws its own errors into it, and reports the generator's as
 * its own. Who must know whether the source failed or the stream did asks the source.
 */
export interface PieceObserver {
  onPiece(bytes: number): void;
  /** What the source threw; not what its reader did. */
  onFailure(error: unknown): void;
}

export async function* observedPieces(
  pieces: AsyncIterable<Uint8Array>,
  observer: PieceObserver,
): AsyncGenerator<Uint8Array> {
  const source = pieces[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await source.next().catch((error: unknown) => {
        observer.onFailure(error);
        throw error;
      });
      if (next.done === true) return;
      observer.onPiece(next.value.length);
      yield next.value;
    }
  } finally {
    await source.return?.();
  }
}
