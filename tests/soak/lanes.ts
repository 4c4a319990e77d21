/**
 * Producers of a soak, each with habits of its own. All keep what has no answer and send it again, as an
 * SDK does, until everything they made is decided: a lane ends only then.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Delivery, HttpLink, stallHalfWay } from './http-link.ts';
import type { Ledger, SoakBatch } from './ledger.ts';
import type { Pacer } from './pacer.ts';
import { StreamLink } from './stream-link.ts';

export interface LaneContext {
  readonly port: number;
  readonly writeKey: string;
  readonly ledger: Ledger;
  readonly pacer: Pacer;
  readonly random: () => number;
  isStopping: boolean;
}

const UNDER_WAY_MAX = 8;
/** Batches after which a stream is cut, or stops reading for a while. */
const TURN_BATCHES = 200;
const READING_PAUSE_MS = 3000;
const CUT_AFTER_MS_MAX = 20;
const STALL_EVERY_MS = 5000;
const RECONNECT_MS = 100;

/** Sends until the batch is decided; `transmit` may be another connection each time. */
async function deliver(
  context: LaneContext,
  batch: SoakBatch,
  transmit: () => Promise<Delivery>,
): Promise<void> {
  for (;;) {
    const delivery = await transmit();
    if (delivery.kind === 'decided') return context.ledger.settle(batch, delivery.answer);
    if (delivery.kind === 'later') await delay(delivery.milliseconds);
    else {
      context.ledger.lose(batch);
      await delay(RECONNECT_MS * context.random());
    }
  }
}

/** One request at a time, with garbage among them. */
export async function steadyHttpLane(context: LaneContext): Promise<void> {
  const link = new HttpLink(context.port, context.writeKey);
  let acknowledged: SoakBatch | undefined;
  while (!context.isStopping) {
    const batch = context.ledger.nextBatch(acknowledged);
    await context.pacer.take(batch.events);
    await deliver(context, batch, () => link.send(batch.payload));
    if (batch.expected.accepted === batch.events) acknowledged = batch;
  }
  link.close();
}

/** Cuts its requests now and then, before or after they were stored, and sends them again. */
export async function cuttingHttpLane(context: LaneContext): Promise<void> {
  const link = new HttpLink(context.port, context.writeKey);
  while (!context.isStopping) {
    const batch = context.ledger.goodBatch();
    await context.pacer.take(batch.events);
    await deliver(context, batch, () => {
      const isCut = context.random() < 0.05 && !context.isStopping;
      return link.send(batch.payload, isCut ? context.random() * CUT_AFTER_MS_MAX : undefined);
    });
  }
  link.close();
}

/** Requests that stop in the middle of their body. Nothing of them may be stored. */
export async function stallingLane(context: LaneContext): Promise<void> {
  const payload = Buffer.from(`{"batch":[${'{"messageId":"never"},'.repeat(1000)}{}]}`);
  const stalled: Promise<void>[] = [];
  while (!context.isStopping) {
    stalled.push(stallHalfWay(context.port, context.writeKey, payload));
    await delay(STALL_EVERY_MS);
  }
  await Promise.all(stalled);
}

type Habit = (link: StreamLink) => void;

/** Keeps its connection, with garbage among its batches. */
export function steadyStreamLane(context: LaneContext): Promise<void> {
  return streamLane(
    context,
    (acknowledged) => context.ledger.nextBatch(acknowledged),
    () => {},
  );
}

/** Stops reading answers for seconds, and goes on sending as far as its credit goes. */
export function slowReaderLane(context: LaneContext): Promise<void> {
  const habit: Habit = (link) => link.pauseReading(READING_PAUSE_MS);
  return streamLane(context, (acknowledged) => context.ledger.nextBatch(acknowledged), habit);
}

/** Vanishes with batches under way, and comes back. */
export function reconnectingLane(context: LaneContext): Promise<void> {
  return streamLane(
    context,
    () => context.ledger.goodBatch(),
    (link) => link.cut(),
  );
}

async function streamLane(
  context: LaneContext,
  nextBatch: (acknowledged: SoakBatch | undefined) => SoakBatch,
  habit: Habit,
): Promise<void> {
  const connection = new StreamKeeper(context);
  const underWay = new Set<Promise<void>>();
  let acknowledged: SoakBatch | undefined;
  for (let count = 1; !context.isStopping; count += 1) {
    const batch = nextBatch(acknowledged);
    await context.pacer.take(batch.events);
    const delivery = deliver(context, batch, async () =>
      (await connection.link()).send(batch.payload),
    )
      .then(() => {
        if (batch.expected.accepted === batch.events) acknowledged = batch;
      })
      .finally(() => underWay.delete(delivery));
    underWay.add(delivery);
    if (count % TURN_BATCHES === 0) habit(await connection.link());
    while (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  connection.close();
}

/** The lane's stream, opened again when it is gone. */
class StreamKeeper {
  readonly #context: LaneContext;
  #link: Promise<StreamLink> | undefined;

  constructor(context: LaneContext) {
    this.#context = context;
  }

  async link(): Promise<StreamLink> {
    if (this.#link !== undefined && (await this.#link).isClosed) this.#link = undefined;
    this.#link ??= StreamLink.open(this.#context.port, this.#context.writeKey);
    return this.#link;
  }

  close(): void {
    void this.#link?.then((link) => link.cut());
  }
}
