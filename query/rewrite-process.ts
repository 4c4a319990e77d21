/**
 * Rewrites data files in a process of its own for each request, at the lowest priority (best effort, the
 * last of eight levels, for its disk accesses).
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import type { FileRewriter, RewriteRequest, RewrittenFile } from '../storage/lake/file-rewriter.ts';
import { FileProcess } from './file-process.ts';
import type { FileProcessLimits } from './file-protocol.ts';

const PRIORITY_LOWEST = 19;

export class RewriteProcess implements FileRewriter {
  readonly #process: FileProcess;
  #isBusy = false;

  constructor(limits: FileProcessLimits) {
    this.#process = new FileProcess({
      limits,
      niceness: PRIORITY_LOWEST,
      idleMsMax: 0,
      failure: (reason) => new TributaryError('TRIBUTARY_LAKE_REWRITE_FAILED', { reason }),
    });
  }

  /** The process that works, for those who watch it; undefined while none does. */
  get processId(): number | undefined {
    return this.#process.processId;
  }

  async rewrite(request: RewriteRequest): Promise<RewrittenFile> {
    assert(!this.#isBusy, 'one request runs at a time');
    this.#isBusy = true;
    try {
      return await this.#process.order('rewrite', request);
    } finally {
      this.#isBusy = false;
    }
  }

  close(): Promise<void> {
    return this.#process.close();
  }
}
