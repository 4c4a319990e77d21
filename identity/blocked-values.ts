/**
 * Values that name nobody, by type. Asked once for each new node and once again after a change of the
 * rules; the verdict is kept with the node (node-words.ts).
 */
import { assert } from '../base/assert.ts';
import type { IdentifierRule, IdentityRules } from './identity-rules.ts';
import { compilePattern, type TextTest } from './regular-expression.ts';

interface CompiledBlock {
  readonly exact: ReadonlySet<string>;
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
    if (block.exact.has(lowerCase(value))) return true;
    return block.patterns.some((isFound) => isFound(value));
  }
}

function compile(rule: IdentifierRule): CompiledBlock {
  const exact = new Set<string>();
  const patterns: TextTest[] = [];
  for (const blocked of rule.block) {
    if (typeof blocked === 'string') {
      exact.add(lowerCase(blocked));
      continue;
    }
    const test = compilePattern(blocked.regex);
    assert(typeof test === 'function', 'patterns of a rule set were compiled before');
    patterns.push(test);
  }
  return { exact, patterns };
}

/** ASCII letters only, as the native normalisation does. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
