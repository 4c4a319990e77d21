/**
 * Producers of a soak that send over WebSocket, each with habits of its own; otherwise as lanes.ts has them.
 */
import { Packr } from 'msgpackr';
import type { Delivery } from './http-link.ts';
import { deliver, type LaneContext } from './lanes.ts';
import type { SoakBatch } from './ledger.ts';
import { type StreamFrame, StreamLink } from './stream-link.ts';

const UNDER_WAY_MAX = 8;
/** Batches after which a stream is cut, or stops reading for a while. */
const TURN_BATCHES = 200;
const READING_PAUSE_MS = 3000;
/** Of a body that is refused: it is cut off. */
const CUT_BYTES = 2;

/** With records and without. */
const PACKRS = [new Packr(), new Packr({ useRecords: false })];

interface Habits {
  /** Whether some of the batches are garbage; only those whose loss can be told apart. */
  readonly hasGarbage: boolean;
  readonly codec: StreamFrame['codec'];
  /** Goes on with the stream of that name after a reconnect. */
  readonly name?: string;
  /** What it does to its connection now and then. */
  onTurn(link: StreamLink): void;
}

/** Keeps its connection, with garbage among its batches. */
export function steadyStreamLane(context: LaneContext): Promise<void> {
  return streamLane(context, { hasGarbage: true, codec: 'json', onTurn() {} });
}

/** The same in msgpack. */
export function msgpackStreamLane(context: LaneContext): Promise<void> {
  return streamLane(context, { hasGarbage: true, codec: 'msgpack', onTurn() {} });
}

/** Stops reading answers for seconds, and goes on sending as far as its credit goes. */
export function slowReaderLane(context: LaneContext): Promise<void> {
  const onTurn = (link: StreamLink): void => link.pauseReading(READING_PAUSE_MS);
  return streamLane(context, { hasGarbage: true, codec: 'json', onTurn });
}

const cut = (link: StreamLink): void => link.cut();

/** Vanishes with batches under way, and comes back as somebody new. */
export function reconnectingLane(context: LaneContext): Promise<void> {
  return streamLane(context, { hasGarbage: false, codec: 'json', onTurn: cut });
}

/** Vanishes with batches under way, and goes on with its stream: what it sends again is known by its id. */
export function resumingLane(context: LaneContext): Promise<void> {
  const resumed = { hasGarbage: true, codec: 'msgpack', name: 'soak', onTurn: cut } as const;
  return streamLane(context, resumed);
}

async function streamLane(context: LaneContext, habits: Habits): Promise<void> {
  const { ledger } = context;
  const connection = new StreamKeeper(context, habits.name);
  const underWay = new Set<Promise<void>>();
  let acknowledged: SoakBatch | undefined;
  for (let id = 0; !context.isStopping; id += 1) {
    const batch = habits.hasGarbage ? ledger.nextBatch(acknowledged) : ledger.goodBatch();
    await context.pacer.take(batch.events);
    const payload = habits.codec === 'json' ? batch.payload : packed(batch, id);
    const frame = { id, codec: habits.codec, payload };
    const delivery = deliver(context, batch, () => connection.send(frame))
      .then(() => {
        if (batch.expected.accepted === batch.events) acknowledged = batch;
      })
      .finally(() => underWay.delete(delivery));
    underWay.add(delivery);
    if ((id + 1) % TURN_BATCHES === 0) await connection.turn(habits.onTurn);
    while (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  connection.close();
}

function packed({ payload, expected }: SoakBatch, id: number): Buffer {
  const packr = PACKRS[id % PACKRS.length]!;
  const isRefused = expected.refused > 0;
  const text = isRefused ? `${payload}]}` : payload.toString();
  const bytes = packr.pack(JSON.parse(text));
  return isRefused ? bytes.subarray(0, -CUT_BYTES) : bytes;
}

/** The lane's stream, opened again when it is gone. */
class StreamKeeper {
  readonly #context: LaneContext;
  readonly #name: string | undefined;
  #link: Promise<StreamLink | undefined> | undefined;

  constructor(context: LaneContext, name: string | undefined) {
    this.#context = context;
    this.#name = name;
  }

  async send(frame: StreamFrame): Promise<Delivery> {
    return (await this.#open())?.send(frame) ?? { kind: 'lost' };
  }

  async turn(onTurn: (link: StreamLink) => void): Promise<void> {
    const link = await this.#open();
    if (link !== undefined) onTurn(link);
  }

  close(): void {
    void this.#link?.then((link) => link?.cut());
  }

  /** @returns undefined while the appliance does not take streams. */
  async #open(): Promise<StreamLink | undefined> {
    const held = this.#link;
    if (held !== undefined) {
      const link = await held;
      if (link !== undefined && !link.isClosed) return link;
      // Whoever was first to see that it is gone opens the next one.
      if (this.#link === held) this.#link = undefined;
    }
    const { port, writeKey } = this.#context;
    this.#link ??= StreamLink.open(port, writeKey, this.#name).catch(() => undefined);
    return this.#link;
  }
}
