/**
 * The program of a what-if: `node query/what-if/worker.js`, started by process.ts for one order. It reads the
 * tenant's tables as a query worker does, folds their events again by other rules in files of its own,
 * and says how the people of today would be told apart (order.ts has what comes in and goes out).
 *
 * - Nothing it does is seen by anybody: it maps the tenant's files read-only.
 * - The limit on memory is set before DuckDB starts. When standard input ends it ends at once, by SIGKILL to
 *   itself, since DuckDB's threads would hold up an orderly exit.
 * - Exit code 0: the report is out. Every other end is a failure; the last line of standard error says why.
 */
import { foldHistory } from '../../engine/what-if/past.ts';
import { WhatIfReplay } from '../../engine/what-if/replay.ts';
import { reportOf } from '../../engine/what-if/report.ts';
import { native } from '../../native/index.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { readSharedWords } from '../../storage/shared-array.ts';
import { TableHistory } from './history.ts';
import type { WhatIfLine, WhatIfOrder } from './order.ts';

async function run(order: WhatIfOrder): Promise<void> {
  const { settings, sequence } = order;
  const reason = native.limitDataBytes(settings.dataLimitBytes);
  if (reason !== '') throw new Error(`RLIMIT_DATA: ${reason}`);
  const history = await TableHistory.open(settings, sequence);
  // Before the long work, so that it is of nearly the same moment as the sequence.
  const fileSystem = new NodeFileSystem();
  const profileOf = await readSharedWords(fileSystem, settings.hotDirectory, 'profile_of');
  const replay = new WhatIfReplay(order);
  await foldHistory(history, replay, sequence, (progress) => say({ progress }));
  const report = await reportOf(order, { replay, history, profileOf });
  await say({ report });
  process.exit(0);
}

/** Settles when the line is out. */
function say(line: WhatIfLine): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(`${JSON.stringify(line)}\n`, () => resolve());
  });
}

function fail(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${reason.split('\n')[0]}\n`, () => process.exit(1));
}

let input = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => {
  input += text;
  if (input.endsWith('\n')) run(JSON.parse(input) as WhatIfOrder).catch(fail);
});
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'));
