/** Pieces as a stream of Node's, which asks for the next ones before it has done with one. */
import { Readable } from 'node:stream';

/** @param pieces may use their memory again: the stream has copies. */
export function streamOf(pieces: AsyncIterable<Uint8Array>): Readable {
  return Readable.from(copiesOf(pieces));
}

async function* copiesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  for await (const piece of pieces) yield Buffer.from(piece);
}
