/**
 * The program that rewrites data files: `node query/rewrite-worker.js`, started by rewrite-process.ts for
 * one request.
 *
 * - It never outlives the appliance: when standard input ends it ends at once, by SIGKILL to itself, since
 *   DuckDB's threads would hold up an orderly exit.
 * - The limit on memory is set before DuckDB starts.
 * - Exit code 0: the answer is on standard output. Every other end is a failure, and the last line of
 *   standard error may say why.
 */
import { native } from '../native/index.ts';
import { rewriteFiles } from './rewrite-files.ts';
import { encodeRewritten, type RewriteOrder } from './rewrite-protocol.ts';

async function run(line: string): Promise<void> {
  const { request, limits, dataBytesMax } = JSON.parse(line) as RewriteOrder;
  const reason = native.limitDataBytes(dataBytesMax);
  if (reason !== '') throw new Error(`RLIMIT_DATA: ${reason}`);
  const rewritten = await rewriteFiles(request, limits);
  process.stdout.write(encodeRewritten(rewritten), () => process.exit(0));
}

function fail(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${reason.split('\n')[0]}\n`, () => process.exit(1));
}

let input = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text: string) => {
  input += text;
  if (input.endsWith('\n')) run(input).catch(fail);
});
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'));
