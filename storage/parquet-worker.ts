/**
 * The thread that encodes Parquet: started by parquet-thread.ts, it answers one request after another,
 * until the port closes. Bytes of files are handed over, not copied.
 *
 * It is nicer than the write path, as query processes are: on Linux niceness is a thread's own. Where
 * processors are short, rows stay hot longer, and producers wait only once hot storage is full.
 */
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { NodeFileSystem } from './node-file-system.ts';
import { type EncodedFile, type EncodeRequest, encodeSegments } from './parquet-encoder.ts';

/** What comes back for a request: its files, or why there are none. */
export type EncodeAnswer = { readonly files: readonly EncodedFile[] } | { readonly failure: Error };

const NICENESS = 10;

assert(parentPort !== null, 'this program runs as a worker thread');
const port = parentPort;
const fileSystem = new NodeFileSystem();
setPriority(NICENESS);

async function answer(request: EncodeRequest): Promise<void> {
  try {
    const files = await encodeSegments(fileSystem, request);
    const transferred = files.map(({ bytes }) => bytes.buffer as ArrayBuffer);
    port.postMessage({ files } satisfies EncodeAnswer, transferred);
  } catch (error) {
    const failure = error instanceof Error ? error : new Error(String(error));
    port.postMessage({ failure } satisfies EncodeAnswer);
  }
}

let last = Promise.resolve();
port.on('message', (request: EncodeRequest) => {
  last = last.then(() => answer(request));
});
