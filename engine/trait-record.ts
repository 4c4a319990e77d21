/**
 * What the log keeps of values that were said before their keys were kept, as the JSON of its records:
 *
 *     {"version":3,"keys":["plan","score"],"complete":false,
 *      "values":[[7,0,1767225600000000,12,"\"pro\""],[7,1,…]]}
 *
 * A value is [anchor, position of its key, event time in microseconds, sequence, JSON text]. With `complete` all
 * that was said before has been told.
 *
 * - `version` is that of the declarations it was made for: what was made for others is passed over, since a key
 *   may have been dropped and declared again since.
 * - Values are the log's own once more: a fold that starts behind the events they came from has them.
 */
import type { SaidValue } from '../identity/trait-store.ts';

export type { SaidValue };

export interface TraitsCommand {
  readonly version: number;
  readonly keys: readonly string[];
  readonly values: readonly SaidValue[];
  readonly isComplete: boolean;
}

type Entry = readonly [number, number, number, number, string];

export function serialiseTraitsCommand(command: TraitsCommand): Uint8Array {
  const { version, keys, isComplete } = command;
  const positions = new Map(keys.map((key, index) => [key, index]));
  const values = command.values.map(({ anchor, key, micros, sequence, value }): Entry => {
    return [anchor, positions.get(key)!, micros, sequence, value];
  });
  return Buffer.from(JSON.stringify({ version, keys, complete: isComplete, values }));
}

export function parseTraitsCommand(bytes: Uint8Array): TraitsCommand {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const { version, keys, complete, values } = JSON.parse(text) as {
    readonly version: number;
    readonly keys: readonly string[];
    readonly complete: boolean;
    readonly values: readonly Entry[];
  };
  return {
    version,
    keys,
    isComplete: complete,
    values: values.map(([anchor, position, micros, sequence, value]) => {
      return { anchor, key: keys[position]!, micros, sequence, value };
    }),
  };
}
