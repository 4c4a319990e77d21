/** The engine in this process, as the appliance opens it, and a producer that keeps it busy. */
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../base/clock.ts';
import { jsonLogger } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { GIB, MIB } from '../base/units.ts';
import { Engine, type EngineOptions } from '../engine/engine.ts';
import type { Tenant } from '../engine/tenant.ts';
import type { Codec } from '../engine/types.ts';
import { native } from '../native/index.ts';
import { EncodeProcess } from '../query/encode-process.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';

export const BATCH_EVENTS = 100;
/** Batches the producer has unanswered: about 11 MB. */
export const BATCHES_IN_FLIGHT = 256;
/** Batches that arrive in one turn of the event loop. */
const BATCHES_PER_TURN = 16;

const TENANT_ID = '00000000-0000-4000-8000-000000000001';
const SOURCE = { ordinal: 1, name: 'bench' } as const;
const HOT_BYTES_MAX = 16 * GIB;
const QUEUE_BYTES_MAX = 64 * MIB;

export interface OpenedEngine {
  readonly engine: Engine;
  readonly tenant: Tenant;
  /** Its process. */
  readonly encoder: EncodeProcess;
}

/** @param settings instead of those of other workloads. */
export async function openEngine(
  dataDirectory: string,
  hotDirectory: string,
  settings: Partial<EngineOptions> = {},
): Promise<OpenedEngine> {
  const encoder = new EncodeProcess();
  const engine = await Engine.open({
    dataDirectory,
    hotDirectory,
    fileSystem: new NodeFileSystem(native),
    clock: systemClock,
    random: systemRandom,
    logger: jsonLogger('warn', (line) => process.stderr.write(line)),
    tenants: [{ id: TENANT_ID, sources: [SOURCE] }],
    hotBytesMax: HOT_BYTES_MAX,
    // What is measured stays hot, unless the workload flushes it.
    flush: { flushBytes: Number.POSITIVE_INFINITY, flushAgeMs: Number.POSITIVE_INFINITY },
    queueBytesMax: QUEUE_BYTES_MAX,
    encoder,
    ...settings,
  });
  return { engine, tenant: engine.tenant(TENANT_ID), encoder };
}

/**
 * Appends all payloads, with up to BATCHES_IN_FLIGHT of them unanswered. Like the producers of a real
 * appliance it comes in turns of the event loop, not all at once: otherwise no answer of the disk would
 * be heard before the last of them was decoded.
 * @returns events accepted.
 * @throws Error when an event was not accepted: the figures would be of another workload.
 */
export async function appendAll(
  tenant: Tenant,
  payloads: Iterable<Uint8Array>,
  codec: Codec = 'json',
): Promise<number> {
  let accepted = 0;
  let inFlight = 0;
  let failure: unknown;
  let onAnswer: (() => void) | undefined;
  // Waiting in turns of the event loop would be work, and take it from the threads that are waited for.
  const answered = (): Promise<void> =>
    new Promise((resolve) => {
      onAnswer = resolve;
    });
  const append = async (bytes: Uint8Array): Promise<void> => {
    inFlight += 1;
    const receivedAtMicros = systemClock.nowMicros();
    const outcome = await tenant.append({ source: SOURCE, codec, bytes, receivedAtMicros });
    if (outcome.accepted !== outcome.received) {
      throw new Error(`${outcome.received - outcome.accepted} events were not accepted`);
    }
    accepted += outcome.accepted;
    inFlight -= 1;
    onAnswer?.();
  };
  let burst = 0;
  for (const bytes of payloads) {
    append(bytes).catch((error: unknown) => {
      failure = error;
      onAnswer?.();
    });
    burst += 1;
    if (burst % BATCHES_PER_TURN === 0) await turn();
    while (inFlight >= BATCHES_IN_FLIGHT && failure === undefined) await answered();
    if (failure !== undefined) throw failure;
  }
  while (inFlight > 0 && failure === undefined) await answered();
  if (failure !== undefined) throw failure;
  return accepted;
}
