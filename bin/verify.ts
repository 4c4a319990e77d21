/** `tributary verify`: reads every durable byte of an appliance again. Exit code 1 when something is wrong. */
import { formatBytes } from '../base/units.ts';
import { verifyData } from '../engine/verify.ts';
import type { VerifyReport } from '../engine/verify-tally.ts';
import { ParquetCheck } from '../query/parquet-check.ts';
import { type CommandContext, parseCommandLine, requireKnownFlags } from './command-line.ts';
import { dataPlaceOf, PLACE_FLAGS } from './data-place.ts';
import { helpFor } from './help.ts';
import { ProgressBar } from './progress-bar.ts';

/** @returns the exit code. */
export async function verify(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, PLACE_FLAGS);
  requireKnownFlags(line, PLACE_FLAGS);
  if (line.words.length > 0) {
    context.stderr.write(helpFor('verify')!);
    return 2;
  }
  const source = dataPlaceOf(line, context);
  const decoder = await ParquetCheck.open();
  try {
    const onFile = drawingReads(context, undefined);
    const report = await verifyData({ ...source, decoder, onFile });
    return printReport(source.dataDirectory, report, context);
  } finally {
    decoder.close();
  }
}

/** Shows how far a verification is. */
export function drawingReads(
  { stderr }: CommandContext,
  totalBytes: number | undefined,
): (report: VerifyReport) => void {
  const bar = new ProgressBar(stderr, totalBytes);
  return ({ bytes, files }) => bar.draw(bytes, `${files} files, ${formatBytes(bytes)}`);
}

/** @returns the exit code. */
export function printReport(
  what: string,
  { files, bytes, findings }: VerifyReport,
  { stdout, stderr }: CommandContext,
): number {
  if (stderr.isTTY) stderr.write('\n');
  for (const { path, reason } of findings) stdout.write(`${path}: ${reason}\n`);
  const read = `${files} files, ${bytes} bytes read`;
  stdout.write(`${what}: ${read}, ${findings.length} findings\n`);
  return findings.length === 0 ? 0 : 1;
}
