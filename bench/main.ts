/**
 * `npm run bench -- NAME`: runs one workload, or all of them.
 *
 * Figures go to standard output, progress to standard error. Numbers of different runs are not
 * comparable; ratios within one run are. docs/benchmarks.md says what each figure means.
 */
import { parseArgs } from 'node:util';
import { ackLatency } from './ack-latency.ts';
import { isClientProcess, runInClientProcess } from './client-process.ts';
import { coldGroupBy } from './cold-groupby.ts';
import { decodeFormats } from './decode-formats.ts';
import { hotGroupBy } from './hot-groupby.ts';
import { identityComponents } from './identity-components.ts';
import { identityResolve } from './identity-resolve.ts';
import { identityScale } from './identity-scale.ts';
import { importFormats } from './import-formats.ts';
import { ingestFormats } from './ingest-formats.ts';
import { ingestInProcess } from './ingest-inprocess.ts';
import { ingestScale } from './ingest-scale.ts';
import { ingestHttp, ingestWebSocket } from './ingest-server.ts';
import { profiles } from './profiles.ts';
import { recovery } from './recovery.ts';
import { recoveryProfiles } from './recovery-profiles.ts';
import { type Figure, jsonLine, tableHeader, tableLine } from './report.ts';
import { Scratch } from './scratch.ts';
import type { BenchOptions, Workload } from './workload.ts';

const WORKLOADS: readonly Workload[] = [
  ingestInProcess,
  ingestScale,
  ingestWebSocket,
  ingestHttp,
  ackLatency,
  decodeFormats,
  ingestFormats,
  importFormats,
  hotGroupBy,
  coldGroupBy,
  profiles,
  recovery,
  recoveryProfiles,
  identityResolve,
  identityComponents,
  identityScale,
];

const FLAGS = {
  json: { type: 'boolean', default: false },
  events: { type: 'string' },
  identifiers: { type: 'string' },
  seconds: { type: 'string', default: '2' },
  seed: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '3' },
  directory: { type: 'string', default: 'data' },
  'no-peers': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const HELP = `usage: npm run bench -- NAME [flags]

  all                 every workload, one after another
${WORKLOADS.map(({ name, summary }) => `  ${name.padEnd(20)}${summary}`).join('\n')}

  --json              one JSON object a figure
  --events N          events of one round; each workload has its default
  --identifiers N     identifiers to be reached by identity-scale
  --seconds N         how long each repeated query runs (${FLAGS.seconds.default})
  --rounds N          rounds of which figures are the median (${FLAGS.rounds.default})
  --seed N            of the generated events (${FLAGS.seed.default})
  --directory DIR     where data goes, on the disk to be measured (./${FLAGS.directory.default})
  --no-peers          without the engines of bench/peers
`;

/** What a shell says of a program that SIGINT ended. */
const INTERRUPTED = 130;
const stopping = new AbortController();
let running: Workload | undefined;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: FLAGS,
    allowPositionals: true,
  });
  const [name] = positionals;
  if (values.help || name === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  const chosen = WORKLOADS.filter((workload) => name === 'all' || name === workload.name);
  if (chosen.length === 0 || positionals.length > 1) {
    process.stderr.write(`there is no workload ${positionals.join(' ')}\n\n${HELP}`);
    return 2;
  }
  const options: BenchOptions = {
    events: wholeNumberIfGiven('events', values.events),
    identifiers: wholeNumberIfGiven('identifiers', values.identifiers),
    seconds: wholeNumber('seconds', values.seconds, 0),
    seed: wholeNumber('seed', values.seed, 0),
    rounds: wholeNumber('rounds', values.rounds, 1),
    peers: !values['no-peers'],
  };
  if (!values.json && !isClientProcess) process.stdout.write(`${tableHeader()}\n`);
  const print = (figure: Figure): void => {
    process.stdout.write(`${values.json ? jsonLine(figure) : tableLine(figure)}\n`);
  };
  for (const workload of chosen) {
    if (workload.isClient === true && !isClientProcess) {
      const own = args.toSpliced(args.indexOf(name), 1, workload.name);
      const code = await runInClientProcess(process.argv[1]!, own);
      if (code !== 0) return code;
      continue;
    }
    await runWorkload(workload, options, values.directory, print);
    if (stopping.signal.aborted) return INTERRUPTED;
  }
  return 0;
}

async function runWorkload(
  workload: Workload,
  options: BenchOptions,
  directory: string,
  print: (figure: Figure) => void,
): Promise<void> {
  const scratch = new Scratch(directory);
  const cleanUp = (): void => scratch.close();
  process.on('exit', cleanUp);
  running = workload;
  try {
    await workload.run({
      options,
      scratch,
      stopping: stopping.signal,
      report: (figure) => print({ workload: workload.name, ...figure }),
      progress: (text) => process.stderr.write(`${workload.name}: ${text}\n`),
    });
  } finally {
    process.off('exit', cleanUp);
    cleanUp();
  }
}

function wholeNumberIfGiven(flag: string, written: string | undefined): number | undefined {
  return written === undefined ? undefined : wholeNumber(flag, written, 1);
}

function wholeNumber(flag: string, written: string, minimum: number): number {
  const value = Number(written);
  if (/^\d+$/.test(written) && Number.isSafeInteger(value) && value >= minimum) return value;
  throw new Error(`--${flag} is ${written}; expected a whole number from ${minimum}`);
}

/** The first signal asks a workload that can to stop in order; any other ends the process at once. */
function interrupt(): void {
  if (running?.stopsInOrder !== true || stopping.signal.aborted) process.exit(INTERRUPTED);
  process.stderr.write(`${running.name}: stopping; once more to stop at once\n`);
  stopping.abort();
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
