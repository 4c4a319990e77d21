/** An engine with one tenant over any file system, in a hot directory of its own. */
import type { TestContext } from 'node:test';
import { silentLogger } from '../../base/log.ts';
import { seededRandomSource } from '../../base/random.ts';
import { MIB } from '../../base/units.ts';
import { Engine, type EngineOptions } from '../../engine/engine.ts';
import type { Tenant } from '../../engine/tenant.ts';
import type { BatchOutcome, Codec, EventType } from '../../engine/types.ts';
import { type FileSystem, makeDirectoryDurable } from '../../storage/file-system.ts';
import { temporaryHotDirectory } from './hot-fixture.ts';
import { inlineEncoder } from './inline-encoder.ts';
import { type Row, readRows } from './read-rows.ts';

export const TENANT_ID = '7b1f2d3c-0a4e-4c5b-9d6f-112233445566';
export const SOURCE = { ordinal: 1, name: 'web' };
/** The clock of tests stands still unless a test moves it. */
export const NOW = Date.parse('2026-03-01T12:00:00.000Z') * 1000;

export type TestEvent = Readonly<Record<string, unknown>>;

export class TestEngine {
  readonly engine: Engine;
  readonly tenant: Tenant;
  readonly fileSystem: FileSystem;

  private constructor(engine: Engine, fileSystem: FileSystem) {
    this.engine = engine;
    this.tenant = engine.tenant(TENANT_ID);
    this.fileSystem = fileSystem;
  }

  static async open(
    context: TestContext,
    fileSystem: FileSystem,
    options: Partial<EngineOptions> = {},
  ): Promise<TestEngine> {
    await makeDirectoryDurable(fileSystem, options.dataDirectory ?? '/data');
    const engine = await Engine.open({
      dataDirectory: '/data',
      hotDirectory: temporaryHotDirectory(context),
      fileSystem,
      clock: { nowMicros: () => NOW, monotonicMs: () => performance.now() },
      random: seededRandomSource(1),
      logger: silentLogger,
      tenants: [{ id: TENANT_ID, sources: [SOURCE] }],
      hotBytesMax: 512 * MIB,
      queueBytesMax: 16 * MIB,
      encoder: inlineEncoder(fileSystem),
      ...options,
    });
    context.after(() => engine.close());
    return new TestEngine(engine, fileSystem);
  }

  send(events: readonly TestEvent[], receivedAtMicros = NOW): Promise<BatchOutcome> {
    return this.sendBytes(Buffer.from(JSON.stringify({ batch: events })), 'json', receivedAtMicros);
  }

  sendBytes(
    bytes: Uint8Array,
    codec: Codec = 'json',
    receivedAtMicros = NOW,
    typeOfPath?: EventType,
    senderAddress?: Uint8Array,
  ): Promise<BatchOutcome> {
    const batch = { source: SOURCE, codec, bytes, receivedAtMicros };
    return this.tenant.append({ ...batch, typeOfPath, senderAddress });
  }

  /** Staged rows of `events`, hidden ones included. */
  rows(): Row[] {
    return this.tenant.hot.events.segments.flatMap((segment) => readRows(segment));
  }

  /** Staged rows of `edges`, with the identifiers their nodes stand for. */
  edges(): Record<string, unknown>[] {
    const { identity, hot } = this.tenant;
    return hot.edges.segments.flatMap((segment) =>
      readRows(segment).map((row) => ({
        ...row,
        a_value: identity.valueOf(Number(row['a_node'])),
        b_value: identity.valueOf(Number(row['b_node'])),
      })),
    );
  }
}
