/** The events of a whole run, made before anything is measured. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { MIB } from '../base/units.ts';
import { type EventRunOptions, generateBatches } from './event-generator.ts';

export interface EventRun {
  readonly events: number;
  readonly payloads: readonly Buffer[];
  /** The same events as NDJSON, or undefined when no peer needs them. */
  readonly ndjsonPath: string | undefined;
}

/** @param ndjsonPath where to put the events for peers too. */
export function prepareRun(options: EventRunOptions, ndjsonPath?: string): EventRun {
  const payloads: Buffer[] = [];
  const slabs = new Slabs();
  const file = ndjsonPath === undefined ? undefined : openSync(ndjsonPath, 'wx');
  try {
    for (const { payload, ndjson } of generateBatches(options)) {
      payloads.push(slabs.keep(payload));
      if (file !== undefined) writeSync(file, ndjson());
    }
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return { events: options.events, payloads, ndjsonPath };
}

const SLAB_BYTES = 64 * MIB;

/**
 * Payloads in few large buffers: one for each would be work for the garbage collector of the process that
 * is measured.
 */
class Slabs {
  #slab = Buffer.alloc(0);
  #used = 0;

  keep(payload: Buffer): Buffer {
    if (this.#used + payload.length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, payload.length));
      this.#used = 0;
    }
    const kept = this.#slab.subarray(this.#used, this.#used + payload.copy(this.#slab, this.#used));
    this.#used += payload.length;
    return kept;
  }
}
