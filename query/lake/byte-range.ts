/**
 * The Range header (RFC 9110 section 14), as S3 takes it: one range of bytes.
 *
 * Several ranges, other units and malformed ones are ignored, and the whole object is sent, as the RFC
 * lets a server do and S3 does.
 */

export interface ByteRange {
  readonly offset: number;
  /** At least 1. */
  readonly length: number;
}

/** @returns 'whole' when the header asks for nothing that counts. */
export function parseRange(
  header: string | undefined,
  bytes: number,
): ByteRange | 'whole' | 'unsatisfiable' {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec((header ?? '').trim()) ?? [];
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), bytes);
    return length === 0 ? 'unsatisfiable' : { offset: bytes - length, length };
  }
  const offset = Number(first);
  if (last !== '' && Number(last) < offset) return 'whole';
  if (offset >= bytes) return 'unsatisfiable';
  const end = last === '' ? bytes : Math.min(Number(last) + 1, bytes);
  return { offset, length: end - offset };
}
