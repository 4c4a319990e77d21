/**
 * Producers of a soak, each with habits of its own. All keep what has no answer and send it again, as an
 * SDK does, until everything they made is decided: a lane ends only then.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Delivery, HttpLink, sendImport, stallHalfWay } from './http-link.ts';
import type { Ledger, SoakBatch } from './ledger.ts';
import type { Pacer } from './pacer.ts';

export interface LaneContext {
  readonly port: number;
  readonly writeKey: string;
  readonly ledger: Ledger;
  readonly pacer: Pacer;
  readonly random: () => number;
  isStopping: boolean;
}

const CUT_AFTER_MS_MAX = 20;
const STALL_EVERY_MS = 5000;
const IMPORT_BATCHES = 20;
const RECONNECT_MS = 100;

/** Sends until the batch is decided; `transmit` may be another connection each time. */
export async function deliver(
  context: LaneContext,
  batch: SoakBatch,
  transmit: () => Promise<Delivery>,
): Promise<void> {
  for (;;) {
    const delivery = await transmit();
    if (delivery.kind === 'decided') return context.ledger.settle(batch, delivery.answer);
    if (delivery.kind === 'later') {
      context.ledger.turnedAway += 1;
      await delay(delivery.milliseconds);
    } else {
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

/** Imports one body after another, each again and again until it is complete. */
export async function importLane(context: LaneContext): Promise<void> {
  for (let count = 0; !context.isStopping; count += 1) {
    const batch = context.ledger.importOf(IMPORT_BATCHES);
    await context.pacer.take(batch.events);
    await deliver(context, batch, () =>
      sendImport(context.port, context.writeKey, `soak-${count}`, batch.payload),
    );
  }
}
