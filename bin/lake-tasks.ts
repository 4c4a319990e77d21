/** `tributary lake files|flush|compact|erase|retain|profiles|expire|orphans`: an operator's look at the lake, and its tasks. */
import { formatBytes } from '../base/units.ts';
import { LAKE_TASKS } from '../engine/lake-keeper.ts';
import { ask, describeFailure, targetOf } from './client.ts';
import type { CommandContext, CommandLine } from './command-line.ts';
import { helpFor } from './help.ts';
import { formatTable } from './table.ts';

interface DayOfFiles {
  readonly day: string | null;
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  readonly sorted_files: number;
}

interface TableOfFiles {
  readonly days: readonly DayOfFiles[];
}

/** @returns the exit code. */
export async function lakeTask(
  name: string | undefined,
  line: CommandLine,
  context: CommandContext,
): Promise<number> {
  const { stdout, stderr } = context;
  const task = LAKE_TASKS.find((known) => known === name);
  if (task === undefined && name !== 'files') {
    stderr.write(helpFor('lake')!);
    return 2;
  }
  const target = targetOf(line, context, 'admin');
  const dryRun = line.flags['dry-run'] !== undefined;
  for (;;) {
    const response = await (task === undefined
      ? ask(target, 'GET', '/v1/lake/files')
      : ask(target, 'POST', '/v1/lake/tasks', JSON.stringify({ task, dry_run: dryRun })));
    if (!response.ok) {
      stderr.write(`${await describeFailure(response)}\n`);
      return 1;
    }
    const answer = (await response.json()) as Record<string, unknown>;
    if (task === undefined) stdout.write(filesTable(answer as Record<string, TableOfFiles>));
    else stdout.write(`${JSON.stringify(answer)}\n`);
    const isDone = Object.values(answer).every((done) => done === null);
    if (task !== 'compact' || dryRun || isDone) return 0;
  }
}

function filesTable(tables: Readonly<Record<string, TableOfFiles>>): string {
  const columns = ['table', 'day', 'files', 'sorted', 'rows', 'size'].map((name) => ({ name }));
  const rows = Object.entries(tables).flatMap(([table, { days }]) =>
    days.map(({ day, files, rows: count, bytes, sorted_files: sorted }) => {
      return [table, day, files, sorted, count, formatBytes(bytes)];
    }),
  );
  return formatTable({ columns, rows });
}
