/**
 * A Parquet encoder on a thread of its own, so that flushing takes nothing from the write path but a
 * message each way.
 *
 * - The thread starts with the first request and ends with `close`. It keeps the process alive only
 *   while it works.
 * - Requests are answered in order. One thread bounds what encoding takes of the machine.
 *
 * Failure: a thread that ends takes its requests with it, each with an error; the next request starts
 * another. Nothing is stored by the thread, so nothing is left behind.
 */
import { Worker } from 'node:worker_threads';
import type { EncodedFile, EncodeRequest, ParquetEncoder } from './parquet-encoder.ts';
import type { EncodeAnswer } from './parquet-worker.ts';

interface Waiter {
  resolve(files: readonly EncodedFile[]): void;
  reject(error: Error): void;
}

export class ParquetThread implements ParquetEncoder {
  #worker: Worker | undefined;
  /** In the order of their requests. */
  #waiters: Waiter[] = [];

  encode(request: EncodeRequest): Promise<readonly EncodedFile[]> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#worker ??= this.#start();
      this.#worker.ref();
      this.#worker.postMessage(request);
    });
  }

  /** Ends the thread; requests under way fail. Idempotent. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./parquet-worker.js', import.meta.url));
    worker.unref();
    worker.on('message', (answer: EncodeAnswer) => {
      const waiter = this.#waiters.shift();
      if (this.#waiters.length === 0) worker.unref();
      if ('files' in answer) waiter?.resolve(answer.files);
      else waiter?.reject(answer.failure);
    });
    const ended = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    };
    worker.on('error', ended);
    worker.on('exit', (code) => ended(new Error(`the Parquet thread ended with code ${code}`)));
    return worker;
  }
}
