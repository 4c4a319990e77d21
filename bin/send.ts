/**
 * `tributary send`: sends the events of an NDJSON file over HTTP.
 *
 * A batch that is refused for want of room (429, 503) or whose connection breaks is sent again, after the
 * time the appliance asks for or a growing pause; events with a messageId are then counted once. A batch
 * that is refused for what it is (400, 401, 413) is not, and the command ends.
 */
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { TributaryError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import { batchLines, bodyOf, type LineBatch, malformedLine } from './batches.ts';
import { describeFailure, post, type Target, targetOf } from './client.ts';
import {
  type CommandContext,
  type CommandLine,
  integerFlag,
  parseCommandLine,
  requireKnownFlags,
} from './command-line.ts';
import { helpFor } from './help.ts';
import { ProgressBar } from './progress-bar.ts';
import { unreadable } from './text-file.ts';

const ATTEMPTS_MAX = 12;
const PAUSE_MS_MAX = 10_000;
/** Between two lines that say why it waits. */
const WAITING_TOLD_MS = 10_000;
const REJECTIONS_SHOWN_MAX = 5;

interface Answer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly { readonly code: string; readonly path: string }[];
  readonly received: number;
}

interface Totals {
  bytes: number;
  received: number;
  accepted: number;
  duplicates: number;
  rejections: string[];
}

/** Flags of every command that sends. */
export const SENDING_FLAGS: readonly string[] = ['batch-events', 'concurrency'];

/** @returns the exit code: 0 when every event was accepted or had been before. */
export async function send(args: readonly string[], context: CommandContext): Promise<number> {
  const flags = ['url', 'key', ...SENDING_FLAGS];
  const line = parseCommandLine(args, flags);
  requireKnownFlags(line, flags);
  const [path] = line.words;
  if (path === undefined || line.words.length > 1) {
    context.stderr.write(helpFor('send')!);
    return 2;
  }
  const target = targetOf(line, context, 'write');
  if (path === '-') return sendStream(context.stdin, target, line, context);
  const file = await open(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const status = await file.stat();
  if (status.isDirectory()) {
    await file.close();
    throw unreadable(path, 'it is a directory');
  }
  const totalBytes = status.isFile() ? status.size : undefined;
  return sendStream(file.createReadStream(), target, line, context, totalBytes);
}

async function sendStream(
  input: NodeJS.ReadableStream,
  target: Target,
  line: CommandLine,
  context: CommandContext,
  totalBytes?: number,
): Promise<number> {
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    return await sendLines(lines, target, line, context, totalBytes);
  } finally {
    lines.close();
  }
}

/**
 * Sends one event a line, with a progress bar, and reports what became of them.
 * @param totalBytes of all lines, where that is known.
 * @returns the exit code.
 */
export async function sendLines(
  lines: AsyncIterable<string>,
  target: Target,
  line: CommandLine,
  context: CommandContext,
  totalBytes?: number,
): Promise<number> {
  const eventsMax = integerFlag(line, 'batch-events', 500, 1, 10_000);
  const concurrency = integerFlag(line, 'concurrency', 4, 1, 64);
  const bar = new ProgressBar(context.stderr, totalBytes);
  const totals: Totals = { bytes: 0, received: 0, accepted: 0, duplicates: 0, rejections: [] };
  const startMs = performance.now();
  const describe = (): string => describeProgress(totals, performance.now() - startMs);

  let toldMs = Number.NEGATIVE_INFINITY;
  const tellWaiting = (why: string): void => {
    if (performance.now() - toldMs < WAITING_TOLD_MS) return;
    toldMs = performance.now();
    context.stderr.write(`\n${why} Trying again…\n`);
  };

  const batches = batchLines(lines, eventsMax);
  const sendInTurn = async (): Promise<void> => {
    for await (const batch of shared(batches)) {
      count(totals, batch, await sendBatch(target, batch, tellWaiting));
      bar.draw(totals.bytes, describe());
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, sendInTurn));
  } catch (error) {
    context.stderr.write('\n');
    if (error instanceof TributaryError) throw error;
    context.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  bar.draw(totals.bytes, describe(), true);
  return report(totals, context, describe());
}

/** One iterator for several readers: ending one reader does not end it for the others. */
function shared<Item>(iterator: AsyncGenerator<Item>): AsyncIterable<Item> {
  return { [Symbol.asyncIterator]: () => ({ next: () => iterator.next() }) };
}

async function sendBatch(
  target: Target,
  batch: LineBatch,
  tellWaiting: (why: string) => void,
): Promise<Answer> {
  // Lines that are JSON only together would be other events than the file has.
  const malformed = malformedLine(batch);
  if (malformed !== undefined) throw new Error(`line ${malformed.number} is not JSON`);
  const body = bodyOf(batch);
  for (let attempt = 1; ; attempt += 1) {
    const response = await post(target, '/v1/batch', body).catch((cause: unknown) => {
      if (attempt === ATTEMPTS_MAX) throw cause;
      if (cause instanceof Error) tellWaiting(cause.message);
      return undefined;
    });
    if (response?.ok === true) return (await response.json()) as Answer;
    if (response !== undefined) {
      const isRetryable = response.status === 429 || response.status === 503;
      if (!isRetryable || attempt === ATTEMPTS_MAX) {
        throw new Error(placeOf(batch, response.status) + (await describeFailure(response)));
      }
      tellWaiting(await describeFailure(response));
    }
    const askedMs = Number(response?.headers.get('retry-after') ?? 0) * 1000;
    await delay(Math.max(askedMs, Math.min(PAUSE_MS_MAX, 50 * 2 ** attempt)));
  }
}

/** The lines of a batch that was refused, unless it was for its key. */
function placeOf(batch: LineBatch, status: number): string {
  if (status === 401) return '';
  return `lines ${batch.lines[0]!.number} to ${batch.lines.at(-1)!.number}: `;
}

function count(totals: Totals, batch: LineBatch, answer: Answer): void {
  totals.bytes += batch.bytes;
  totals.received += answer.received;
  totals.accepted += answer.accepted;
  totals.duplicates += answer.duplicates;
  for (const { code, path } of answer.rejected) {
    if (totals.rejections.length < REJECTIONS_SHOWN_MAX)
      totals.rejections.push(`${code} at ${path}`);
  }
}

function describeProgress(totals: Totals, elapsedMs: number): string {
  const rate = elapsedMs === 0 ? 0 : Math.round((totals.received / elapsedMs) * 1000);
  return `${totals.received} events, ${formatBytes(totals.bytes)}, ${rate} events/s`;
}

function report(totals: Totals, context: CommandContext, progress: string): number {
  const { received, accepted, duplicates } = totals;
  const rejected = received - accepted - duplicates;
  context.stdout.write(
    `${progress}: ${accepted} accepted, ${duplicates} duplicates, ${rejected} rejected\n`,
  );
  for (const rejection of totals.rejections) context.stderr.write(`rejected: ${rejection}\n`);
  return rejected === 0 ? 0 : 1;
}
