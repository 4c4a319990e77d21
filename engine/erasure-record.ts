/**
 * What the log keeps of erasures, as plain data and as the JSON of its records:
 *
 *     {"command":"erase","erasure":"2c1e…","profile":"9f8e…","reason":"…","anchors":[7,9],
 *      "dead_letters":[120],"warnings":[]}
 *     {"command":"rewritten","erasures":["2c1e…"],"files":3,"rows":1200}
 *     {"command":"gone","erasures":["2c1e…"]}
 *
 * No identifier is in it: the log outlives what it erases. Anchors are ordinals that mean nobody once
 * their identifiers are gone, and sequences are places in the log.
 */
import { TributaryError } from '../base/errors.ts';

/** Takes anchors out of everything, with the dead letters and warnings of these sequences. */
export interface EraseCommand {
  readonly command: 'erase';
  /** A UUID. */
  readonly id: string;
  /** The profile that was asked for; null when anchors were told by a list. */
  readonly profile: string | null;
  readonly reason: string | null;
  readonly anchors: readonly number[];
  readonly deadLetters: readonly number[];
  readonly warnings: readonly number[];
}

/** No live file of the lake has rows of these erasures any more. */
export interface RewrittenCommand {
  readonly command: 'rewritten';
  readonly ids: readonly string[];
  /** Of all of them together. */
  readonly files: number;
  readonly rows: number;
}

/** The last copy of what these erased has left the disk of the appliance. */
export interface GoneCommand {
  readonly command: 'gone';
  readonly ids: readonly string[];
}

export type ErasureCommand = EraseCommand | RewrittenCommand | GoneCommand;

export function serialiseErasureCommand(command: ErasureCommand): Uint8Array {
  return Buffer.from(JSON.stringify(jsonOf(command)));
}

function jsonOf(command: ErasureCommand): object {
  switch (command.command) {
    case 'erase': {
      const { id, deadLetters, profile, reason, anchors, warnings } = command;
      const rest = { profile, reason, anchors, dead_letters: deadLetters, warnings };
      return { command: 'erase', erasure: id, ...rest };
    }
    case 'rewritten': {
      const { ids, files, rows } = command;
      return { command: 'rewritten', erasures: ids, files, rows };
    }
    case 'gone':
      return { command: 'gone', erasures: command.ids };
  }
}

/** @throws TRIBUTARY_ERASURE_RECORD_UNKNOWN for what a newer version wrote. */
export function parseErasureCommand(bytes: Uint8Array): ErasureCommand {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const { command, ...fields } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  switch (command) {
    case 'erase': {
      const { erasure, profile, reason, anchors, dead_letters, warnings, ...unknown } = fields;
      requireNone(unknown);
      return {
        command,
        id: erasure as string,
        profile: profile as string | null,
        reason: reason as string | null,
        anchors: anchors as readonly number[],
        deadLetters: dead_letters as readonly number[],
        warnings: warnings as readonly number[],
      };
    }
    case 'rewritten': {
      const { erasures, files, rows, ...unknown } = fields;
      requireNone(unknown);
      const counts = { files: files as number, rows: rows as number };
      return { command, ids: erasures as readonly string[], ...counts };
    }
    case 'gone': {
      const { erasures, ...unknown } = fields;
      requireNone(unknown);
      return { command, ids: erasures as readonly string[] };
    }
    default:
      throw new TributaryError('TRIBUTARY_ERASURE_RECORD_UNKNOWN', { name: String(command) });
  }
}

/** A member that says more than this version understands changes what is erased. */
function requireNone(unknown: Readonly<Record<string, unknown>>): void {
  const [name] = Object.keys(unknown);
  if (name === undefined) return;
  throw new TributaryError('TRIBUTARY_ERASURE_RECORD_UNKNOWN', { name });
}
