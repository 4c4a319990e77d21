/** The loop of the differential fuzzer: makes cases, decodes them, asks the oracle. */
import { DecoderProbe } from './decoder-probe.ts';
import { fuzzCase } from './payload-generator.ts';
import type { Oracle } from './payload-oracle.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Number of the first case. */
  readonly first: number;
  readonly cases: number;
  /** An existing directory for the rows. */
  readonly directory: string;
  readonly oracle: Oracle;
  /** Called now and then with the number of cases done. */
  readonly onProgress?: (done: number) => void;
}

export interface FuzzFailure {
  readonly index: number;
  readonly payload: Buffer;
  readonly typeOfPath: number;
  readonly difference: string;
}

export interface FuzzReport {
  readonly cases: number;
  /** Payloads that were taken, and rows they made. */
  readonly accepted: number;
  readonly rows: number;
  readonly hiddenRows: number;
  /** The first difference, at which the run ends. */
  readonly failure: FuzzFailure | undefined;
}

const PROGRESS_CASES = 50_000;

export function fuzzDecoder(options: FuzzOptions): FuzzReport {
  const { seed, first, cases, oracle, onProgress } = options;
  const probe = new DecoderProbe(options.directory);
  let [accepted, rows, hiddenRows] = [0, 0, 0];
  try {
    for (let done = 0; done < cases; done += 1) {
      const { payload, typeOfPath, hasSender } = fuzzCase(seed, first + done);
      const decoding = probe.decode(payload, { typeOfPath, hasSender });
      const difference = oracle(payload, typeOfPath, decoding);
      if (difference !== '') {
        const failure = { index: first + done, payload, typeOfPath, difference };
        return { cases: done + 1, accepted, rows, hiddenRows, failure };
      }
      if (decoding.code === '') accepted += 1;
      rows += decoding.rows.length;
      hiddenRows += decoding.rejected.length;
      if ((done + 1) % PROGRESS_CASES === 0) onProgress?.(done + 1);
    }
  } finally {
    probe.close();
  }
  return { cases, accepted, rows, hiddenRows, failure: undefined };
}
