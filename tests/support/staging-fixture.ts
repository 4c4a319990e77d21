/** A stager of events over hot tables and identity of its own, without a log behind it. */
import type { TestContext } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { HOUR_MICROS, MIB } from '../../base/units.ts';
import { EventStager } from '../../engine/event-stager.ts';
import { HotStore } from '../../engine/hot-store.ts';
import { IdentityRoom } from '../../engine/identity-room.ts';
import type { StagedRows } from '../../engine/staged-rows.ts';
import { EVENT_TYPES } from '../../engine/types.ts';
import { IdentityGraph } from '../../identity/identity-graph.ts';
import { temporaryHotDirectory } from './hot-fixture.ts';

export const RECEIVED_AT = Date.parse('2026-03-01T12:00:00.000Z') * 1000;

export interface Staging {
  readonly hot: HotStore;
  readonly stager: EventStager;
  readonly room: IdentityRoom;
  /** In the order they were told: rows, or the code of a refusal. */
  readonly told: (StagedRows | string)[];
  submit(payload: string, receivedAtMicros?: number): boolean;
}

export interface StagingOptions {
  readonly threads?: 1 | 2;
  readonly hotBytesMax?: number;
  readonly nodesMax?: number;
}

export function openStaging(context: TestContext, options: StagingOptions = {}): Staging {
  const { threads = 2, hotBytesMax = 512 * MIB, nodesMax = 2_000_000 } = options;
  const directory = temporaryHotDirectory(context);
  const hot = new HotStore(directory, hotBytesMax);
  const identity = new IdentityGraph({
    directory,
    secret: new Uint8Array(16),
    edges: { append() {}, appendMerge() {} },
    nodesMax,
  });
  const room = new IdentityRoom(identity, nodesMax);
  const stager = new EventStager({
    events: hot.events,
    identifiers: identity.identifiers,
    room,
    nextSequence: 1,
    dedupeWindowMicros: 24 * HOUR_MICROS,
    messageIdSecret: new Uint8Array(8),
    threads,
  });
  context.after(() => {
    stager.close();
    identity.close();
    hot.close();
  });
  const told: Staging['told'] = [];
  const submit = (payload: string, receivedAtMicros = RECEIVED_AT): boolean =>
    stager.submit(
      {
        codec: 'json',
        bytes: Buffer.from(payload),
        receivedAtMicros,
        sourceName: 'web',
        typeOfPath: EVENT_TYPES.length,
        senderAddress: undefined,
      },
      (result) => told.push(result instanceof TributaryError ? result.code : result),
    );
  return { hot, stager, room, told, submit };
}
