/**
 * `tributary identity what-if`: tries a rule set on the past of a running appliance, waits for the report and
 * prints it as JSON. What is started goes on when the command is interrupted.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../base/limits.ts';
import { ask, describeFailure, targetOf } from './client.ts';
import { type CommandContext, type CommandLine, integerFlag } from './command-line.ts';
import { readJsonFile } from './json-file.ts';
import { ProgressBar } from './progress-bar.ts';

const PATH = '/v1/identity/what-if';
const EXAMPLES = 20;
/** Looked at often at first: a small past takes no time. */
const POLL_MS_MIN = 50;
const POLL_MS_MAX = 1000;

interface Job {
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed' | 'cancelled';
  readonly progress: { readonly events: number; readonly share: number };
  readonly report?: object;
  readonly error?: { readonly code: string; readonly message: string };
}

/** @param file of the rules. @returns the exit code. */
export async function whatIf(
  file: string,
  line: CommandLine,
  context: CommandContext,
): Promise<number> {
  const examples = integerFlag(line, 'examples', EXAMPLES, 1, LIMITS.whatIfExamplesMax);
  const target = targetOf(line, context, 'admin');
  const rules = await readJsonFile(file, context, 'TRIBUTARY_IDENTITY_RULES_INVALID');
  const body = JSON.stringify({ ...rules, examples });
  let response = await ask(target, 'POST', PATH, body);
  const bar = new ProgressBar(context.stderr, 1);
  for (let pauseMs = POLL_MS_MIN; ; pauseMs = Math.min(2 * pauseMs, POLL_MS_MAX)) {
    if (!response.ok) {
      context.stderr.write(`${await describeFailure(response)}\n`);
      return 1;
    }
    const job = (await response.json()) as Job;
    const isOver = job.state !== 'running';
    bar.draw(job.progress.share, `${job.progress.events} events`, isOver);
    if (isOver) return tell(job, context);
    await delay(pauseMs);
    response = await ask(target, 'GET', `${PATH}/${job.id}`);
  }
}

function tell({ state, report, error }: Job, { stdout, stderr }: CommandContext): number {
  if (state === 'done') {
    stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return 0;
  }
  stderr.write(error === undefined ? `${state}\n` : `${error.code}: ${error.message}\n`);
  return 1;
}
