/** A rule set in the form the native index takes: where to look, and how values are made comparable. */
import type { NativeIdentifierPath } from '../native/index.ts';
import { type IdentityRules, NORMALIZE_STEPS } from './identity-rules.ts';

export interface Extraction {
  /** By type number: a bit for each step, in the order of NORMALIZE_STEPS (identifier_extractor.h). */
  readonly steps: Uint8Array;
  /** Grouped by type, in the order in which a row's identifiers are reported. */
  readonly paths: readonly NativeIdentifierPath[];
}

const TYPE_NUMBERS = 256;

export function extractionOf(rules: IdentityRules): Extraction {
  const steps = new Uint8Array(TYPE_NUMBERS);
  const paths: NativeIdentifierPath[] = [];
  for (const [index, rule] of rules.types.entries()) {
    const type = index + 1;
    for (const step of rule.normalize) steps[type]! |= 1 << NORMALIZE_STEPS.indexOf(step);
    for (const path of rule.from) {
      // userId and anonymousId are columns of their own.
      if (path.includes('.')) paths.push(parsePath(type, path));
    }
  }
  return { steps, paths };
}

/** `context.externalIds[crm]` → the ids of type `crm` in that list. */
function parsePath(type: number, path: string): NativeIdentifierPath {
  const [, before, externalType] = /^([^[]+)(?:\[(.*)\])?$/.exec(path)!;
  const [column, ...keys] = before!.split('.');
  return {
    type,
    column: column!,
    keys,
    isList: externalType !== undefined,
    externalType: externalType ?? '',
  };
}
