/**
 * What passes between the appliance and the process that rewrites files: one request as a line of JSON on
 * standard input, one answer on standard output. 64-bit bounds are texts there.
 */
import type { LakeValue } from '../storage/lake/data-file.ts';
import type { RewriteRequest, RewrittenFile } from '../storage/lake/file-rewriter.ts';
import type { RewriteLimits } from './rewrite-files.ts';

export interface RewriteOrder {
  readonly request: RewriteRequest;
  readonly limits: RewriteLimits;
  /** RLIMIT_DATA of the process, bytes. */
  readonly dataBytesMax: number;
}

const BIG = 'big:';
const TEXT = 'text:';

export function encodeRewritten({ columns, ...rest }: RewrittenFile): string {
  return JSON.stringify({ ...rest, columns: [...columns] }, (_, value: unknown) =>
    typeof value === 'bigint' ? `${BIG}${value}` : typeof value === 'string' ? TEXT + value : value,
  );
}

export function decodeRewritten(text: string): RewrittenFile {
  const { columns, ...rest } = JSON.parse(text, (_, value: unknown): LakeValue | unknown => {
    if (typeof value !== 'string') return value;
    return value.startsWith(BIG) ? BigInt(value.slice(BIG.length)) : value.slice(TEXT.length);
  }) as Omit<RewrittenFile, 'columns'> & {
    columns: [number, NonNullable<ReturnType<RewrittenFile['columns']['get']>>][];
  };
  return { ...rest, columns: new Map(columns) };
}
