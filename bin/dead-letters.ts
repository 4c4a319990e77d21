/**
 * `tributary dead-letters`: brings events that were not accepted back.
 *
 * `export` prints them as NDJSON that can be repaired with any tool and sent with `tributary send`;
 * `replay` sends them as they are, for when the rule was wrong and not the event. Events are passed on as
 * text, so that no number loses a digit; ingest/dead-letter-event.ts says what becomes of one, for this
 * command and the API alike. Replaying twice stores it once, and sends what was rejected again once, too.
 */

import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { TributaryError } from '../base/errors.ts';
import {
  type DeadLetter,
  eventOfDeadLetter,
  NEWEST_OF_ITS_ID,
} from '../ingest/dead-letter-event.ts';
import { describeFailure, post, type Target, targetOf } from './client.ts';
import {
  type CommandContext,
  type CommandLine,
  parseCommandLine,
  requireKnownFlags,
} from './command-line.ts';
import { helpFor } from './help.ts';
import { SENDING_FLAGS, sendLines } from './send.ts';

const FLAGS = ['url', 'key', 'write-key', 'where', ...SENDING_FLAGS];

/** @returns the exit code. */
export async function deadLetters(
  args: readonly string[],
  context: CommandContext,
): Promise<number> {
  const line = parseCommandLine(args, FLAGS);
  requireKnownFlags(line, FLAGS);
  const [action, ...rest] = line.words;
  if ((action !== 'export' && action !== 'replay') || rest.length > 0) {
    context.stderr.write(helpFor('dead-letters')!);
    return 2;
  }
  const source = targetOf(line, context, 'admin');
  const response = await post(source, '/v1/sql', selectionOf(line));
  if (!response.ok) {
    context.stderr.write(`${await describeFailure(response)}\n`);
    return 1;
  }
  const events = eventsOf(response, context);
  if (action === 'replay')
    return sendLines(events, writeTarget(line, context, source), line, context);
  for await (const event of events) context.stdout.write(`${event}\n`);
  return 0;
}

function selectionOf(line: CommandLine): string {
  const where = line.flags['where'] === undefined ? 'true' : String(line.flags['where']);
  const sql = `SELECT sequence, received_at AS "receivedAt", message_id AS "messageId",
      payload::VARCHAR AS payload
    FROM dead_letters WHERE (${where}) AND ${NEWEST_OF_ITS_ID} ORDER BY sequence`;
  return JSON.stringify({ sql, format: 'ndjson' });
}

/** @throws TributaryError TRIBUTARY_CONFIG_KEY_MISSING */
function writeTarget(line: CommandLine, context: CommandContext, { url }: Target): Target {
  const key = line.flags['write-key'] ?? context.environment['TRIBUTARY_WRITE_KEY'];
  if (typeof key !== 'string') {
    throw new TributaryError('TRIBUTARY_CONFIG_KEY_MISSING', { kind: 'write' });
  }
  return { url, key };
}

/** The dead letters that can be events, one JSON object each; the others are counted on stderr. */
async function* eventsOf(response: Response, context: CommandContext): AsyncGenerator<string> {
  let skipped = 0;
  const input = Readable.fromWeb(response.body as import('node:stream/web').ReadableStream);
  for await (const text of createInterface({ input })) {
    const row = JSON.parse(text) as DeadLetter | { readonly error: { readonly message: string } };
    if ('error' in row) throw new Error(row.error.message);
    const event = eventOfDeadLetter(row);
    if (event === undefined) skipped += 1;
    else yield event;
  }
  if (skipped > 0) context.stderr.write(`${skipped} dead letters are no JSON objects: left out\n`);
}
