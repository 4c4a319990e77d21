/** The thread of a PairReader: reads each file it is told the path of. */
import { parentPort, workerData } from 'node:worker_threads';
import { PairFile } from './pair-file.ts';
import { FAILED, type PairWorkerData } from './pair-reader.ts';

const BATCH_LINES = 1024;
/** Whoever waits is woken every so many batches. */
const STEP_BATCHES = 8;

const { progress, pairs } = workerData as PairWorkerData;

function read(path: string): void {
  const file = new PairFile(path, BATCH_LINES);
  try {
    let lines = 0;
    let batches = 0;
    const tell = (isWhole: boolean): void => {
      Atomics.store(progress, 0, 2 * lines + (isWhole ? 1 : 0));
      Atomics.notify(progress, 0);
    };
    for (let count = -1; count !== 0; ) {
      count = file.next(pairs.subarray(2 * lines));
      lines += count;
      batches += 1;
      if (batches % STEP_BATCHES === 0) tell(false);
    }
    tell(true);
  } finally {
    file.close();
  }
}

parentPort!.on('message', (path: string) => {
  try {
    read(path);
  } catch (error) {
    Atomics.store(progress, 0, FAILED);
    Atomics.notify(progress, 0);
    throw error;
  }
});
