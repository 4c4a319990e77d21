/**
 * The program that works on files of the lake: `node query/file-worker.js`, started by file-process.ts. It
 * does one order after another.
 *
 * - It never outlives the appliance: when standard input ends it ends at once, by SIGKILL to itself, since
 *   DuckDB's threads would hold up an orderly exit.
 * - The limit on memory is set before DuckDB starts.
 */
import { native } from '../native/index.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { encodeFiles } from './encode-files.ts';
import {
  decodeLine,
  encodeLine,
  type FileAnswer,
  type FileOrder,
  type FileProcessLimits,
  splitLines,
} from './file-protocol.ts';
import { writeIdentityFiles } from './identity-files.ts';
import { rewriteFiles } from './rewrite-files.ts';

let limits: FileProcessLimits | undefined;
let last: Promise<unknown> = Promise.resolve();

function begin(given: FileProcessLimits): FileProcessLimits {
  const reason = native.limitDataBytes(given.dataBytesMax);
  if (reason !== '') throw new Error(`RLIMIT_DATA: ${reason}`);
  return given;
}

function carryOut({ task, request }: FileOrder, own: FileProcessLimits): Promise<unknown> {
  switch (task) {
    case 'encode':
      return encodeFiles(request, own);
    case 'rewrite':
      return rewriteFiles(request, own);
    case 'identity':
      return writeIdentityFiles(request, fileSystem(), own);
  }
}

function fileSystem(): NodeFileSystem {
  return new NodeFileSystem({ allocateAligned: (bytes) => native.allocateAligned(bytes) });
}

async function answer(order: FileOrder, own: FileProcessLimits): Promise<void> {
  let told: FileAnswer;
  try {
    told = { result: await carryOut(order, own) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    told = { failure: reason.split('\n')[0]! };
  }
  process.stdout.write(encodeLine(told));
}

const take = splitLines((line) => {
  const message = decodeLine(line);
  if (limits === undefined) {
    limits = begin(message as FileProcessLimits);
    return;
  }
  const own = limits;
  last = last.then(() => answer(message as FileOrder, own));
});
process.stdin.setEncoding('utf8').on('data', take);
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'));
