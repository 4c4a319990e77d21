/**
 * The names of identifier types in shared memory, by number: what `identifier_type(node)` says in SQL.
 * A name is UTF-8 in 64 bytes, ended by a zero. Types only ever gain numbers, so names never change.
 */
import { SharedArray } from '../storage/shared-array.ts';
import { ACCOUNT, ACCOUNT_TYPE_NAME, type IdentityRules } from './identity-rules.ts';

const NAME_BYTES = 64;

export class IdentifierTypeNames {
  readonly #names: SharedArray<'bytes'>;

  constructor(directory: string) {
    this.#names = SharedArray.create({
      directory,
      name: 'identifier_types',
      type: 'bytes',
      elementBytes: NAME_BYTES,
      capacity: ACCOUNT + 1,
    });
    this.#names.ensure(ACCOUNT + 1);
    this.#writeName(ACCOUNT, ACCOUNT_TYPE_NAME);
    this.#names.publish(ACCOUNT + 1);
  }

  write(rules: IdentityRules): void {
    for (const [index, { type }] of rules.types.entries()) this.#writeName(index + 1, type);
  }

  close(): void {
    this.#names.close();
  }

  #writeName(number: number, name: string): void {
    this.#names.window(number, 1).set(Buffer.from(name, 'utf8'));
  }
}
