/**
 * Values that name nobody, by type. Asked once for each new node and once again after a change of the
 * rules; the verdict is kept with the node (node-words.ts).
 */
import { assert } from '../base/assert.ts';
import type { IdentifierRule, IdentityRules } from './identity-rules.ts';
import { compilePattern, type TextTest } from './regular-expression.ts';

interface CompiledBlock {
  /** By length: every new identifier is asked about, and hardly any is as long as one. */
  readonly exact: ReadonlyMap<number, readonly string[]>;
  readonly patterns: readonly TextTest[];
}

export class BlockedValues {
  /** By type number. */
  readonly #blocks: readonly (CompiledBlock | undefined)[];

  /** @param rules whose patterns were checked when they were read. */
  constructor(rules: IdentityRules) {
    this.#blocks = [undefined, ...rules.types.map(compile)];
  }

  isBlocked(type: number, value: string): boolean {
    const block = this.#blocks[type];
    if (block === undefined) return false;
    if (block.exact.get(value.length)?.some((blocked) => isSame(value, blocked))) return true;
    return block.patterns.some((isFound) => isFound(value));
  }
}

function compile(rule: IdentifierRule): CompiledBlock {
  const exact = new Map<number, string[]>();
  const patterns: TextTest[] = [];
  for (const blocked of rule.block) {
    if (typeof blocked === 'string') {
      const sameLength = exact.get(blocked.length) ?? [];
      exact.set(blocked.length, [...sameLength, blocked]);
      continue;
    }
    const test = compilePattern(blocked.regex);
    assert(typeof test === 'function', 'patterns of a rule set were compiled before');
    patterns.push(test);
  }
  return { exact, patterns };
}

/** Whether two texts of one length differ in nothing but the case of ASCII letters, as the native normalisation has it. */
function isSame(value: string, blocked: string): boolean {
  for (let at = 0; at < value.length; at += 1) {
    if (lowerCase(value.charCodeAt(at)) !== lowerCase(blocked.charCodeAt(at))) return false;
  }
  return true;
}

function lowerCase(unit: number): number {
  return unit >= 0x41 && unit <= 0x5a ? unit | 0x20 : unit;
}
