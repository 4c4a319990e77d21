/** The events of a whole run, made before anything is measured. */
import { closeSync, openSync, writeSync } from 'node:fs';
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
  const file = ndjsonPath === undefined ? undefined : openSync(ndjsonPath, 'wx');
  try {
    for (const { payload, ndjson } of generateBatches(options)) {
      payloads.push(payload);
      if (file !== undefined) writeSync(file, ndjson);
    }
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return { events: options.events, payloads, ndjsonPath };
}
