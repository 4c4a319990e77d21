/** What a verification has read and found so far. */
import { TributaryError } from '../base/errors.ts';

/** Something that is not as it was written. */
export interface Finding {
  /** Relative to what is verified. */
  readonly path: string;
  readonly reason: string;
}

export interface VerifyReport {
  readonly files: number;
  readonly bytes: number;
  readonly findings: readonly Finding[];
}

export class VerifyTally {
  files = 0;
  bytes = 0;
  readonly findings: Finding[] = [];
  readonly #onFile: ((tally: VerifyTally) => void) | undefined;

  constructor(onFile?: (tally: VerifyTally) => void) {
    this.#onFile = onFile;
  }

  /** A file was read. */
  add(bytes: number): void {
    this.files += 1;
    this.bytes += bytes;
    this.#onFile?.(this);
  }

  find(path: string, reason: string): void {
    this.findings.push({ path, reason });
  }

  /** Runs a check; what it says is wrong becomes a finding. @throws what is no verdict. */
  async check<Result>(path: string, check: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof TributaryError) && !(error instanceof SyntaxError)) throw error;
      this.find(path, error.message);
      return undefined;
    }
  }
}
