/**
 * What passes between the appliance and a process that works on files of the lake: lines of JSON. The first
 * line it gets are its limits, every other is an order; each order is answered by one line, in order. Maps are
 * lists of pairs and 64-bit bounds are texts there.
 */
import type { IdentityRequest, WrittenIdentity } from '../engine/identity-writer.ts';
import type { RewriteRequest, RewrittenFile } from '../storage/lake/file-rewriter.ts';
import type { EncodedFile, EncodeRequest } from '../storage/parquet-encoder.ts';
import type { FileDatabaseLimits } from './file-database.ts';

export interface FileProcessLimits extends FileDatabaseLimits {
  /** RLIMIT_DATA, bytes: DuckDB's memory, the JavaScript heap, thread stacks. */
  readonly dataBytesMax: number;
}

/** What can be ordered, and what comes of it. */
export interface FileWork {
  rewrite: { readonly request: RewriteRequest; readonly result: RewrittenFile };
  encode: { readonly request: EncodeRequest; readonly result: readonly EncodedFile[] };
  identity: { readonly request: IdentityRequest; readonly result: WrittenIdentity };
}
export type FileTask = keyof FileWork;

export type FileOrder = {
  readonly [Task in FileTask]: { readonly task: Task; readonly request: FileWork[Task]['request'] };
}[FileTask];

export type FileAnswer<Result = unknown> =
  | { readonly result: Result }
  | { readonly failure: string };

const BIG = 'big:';
const TEXT = 'text:';
const MAP = 'map:';

/** One line, its end included. */
export function encodeLine(value: unknown): string {
  const text = JSON.stringify(value, (_, member: unknown) => {
    if (typeof member === 'bigint') return `${BIG}${member}`;
    if (typeof member === 'string') return TEXT + member;
    return member instanceof Map ? { [MAP]: [...member] } : member;
  });
  return `${text}\n`;
}

/** Reads what {@link encodeLine} wrote in the same run of the appliance. */
export function decodeLine(line: string): unknown {
  return JSON.parse(line, (_, member: unknown) => {
    if (typeof member === 'string') {
      return member.startsWith(BIG) ? BigInt(member.slice(BIG.length)) : member.slice(TEXT.length);
    }
    const isMap = typeof member === 'object' && member !== null && MAP in member;
    return isMap ? new Map(member[MAP] as [unknown, unknown][]) : member;
  });
}

/** Collects text into lines. @returns what takes the next piece. */
export function splitLines(take: (line: string) => void): (piece: string) => void {
  let begun = '';
  return (piece) => {
    const lines = (begun + piece).split('\n');
    begun = lines.pop()!;
    for (const line of lines) take(line);
  };
}
