/** The engine in this process, as the appliance opens it, and a producer that keeps it busy. */
import { systemClock } from '../base/clock.ts';
import { jsonLogger } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { GIB, MIB } from '../base/units.ts';
import { Engine } from '../engine/engine.ts';
import type { Tenant } from '../engine/tenant.ts';
import { native } from '../native/index.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';

export const BATCH_EVENTS = 100;
/** Batches a producer has unanswered: about the bytes of one full group of the log. */
export const BATCHES_IN_FLIGHT = 128;

const TENANT_ID = '00000000-0000-4000-8000-000000000001';
const SOURCE = { ordinal: 1, name: 'bench' } as const;
const HOT_BYTES_MAX = 16 * GIB;
const QUEUE_BYTES_MAX = 64 * MIB;

export interface OpenedEngine {
  readonly engine: Engine;
  readonly tenant: Tenant;
}

export async function openEngine(
  dataDirectory: string,
  hotDirectory: string,
): Promise<OpenedEngine> {
  const allocateAligned = (bytes: number): ArrayBuffer => native.allocateAligned(bytes);
  const engine = await Engine.open({
    dataDirectory,
    hotDirectory,
    fileSystem: new NodeFileSystem({ allocateAligned }),
    clock: systemClock,
    random: systemRandom,
    logger: jsonLogger('warn', (line) => process.stderr.write(line)),
    tenants: [{ id: TENANT_ID, sources: [SOURCE] }],
    hotBytesMax: HOT_BYTES_MAX,
    queueBytesMax: QUEUE_BYTES_MAX,
  });
  return { engine, tenant: engine.tenant(TENANT_ID) };
}

/**
 * Appends all payloads with BATCHES_IN_FLIGHT of them unanswered at any time.
 * @returns events accepted.
 * @throws Error when an event was not accepted: the figures would be of another workload.
 */
export async function appendAll(tenant: Tenant, payloads: Iterable<Buffer>): Promise<number> {
  const source = payloads[Symbol.iterator]();
  let accepted = 0;
  const lane = async (): Promise<void> => {
    for (let next = source.next(); !next.done; next = source.next()) {
      const outcome = await tenant.append({
        source: SOURCE,
        codec: 'json',
        bytes: next.value,
        receivedAtMicros: systemClock.nowMicros(),
      });
      if (outcome.accepted !== outcome.received) {
        throw new Error(`${outcome.received - outcome.accepted} events were not accepted`);
      }
      accepted += outcome.accepted;
    }
  };
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, lane));
  return accepted;
}
