/**
 * Regular expressions that strangers may write: RE2's language, which always takes time linear in the
 * text. The only module that knows re2js.
 *
 * A pattern of one character class over the whole text (`^[0-]*$`), the usual way to refuse fillers, is
 * asked of every new identifier; it becomes a look-up per character, a tenth of the time.
 */
import { RE2JS } from 're2js';

/** Whether a text contains a match. */
export type TextTest = (text: string) => boolean;

/** @returns the test, or why `pattern` is no RE2 expression. */
export function compilePattern(pattern: string): TextTest | { readonly reason: string } {
  const characters = characterClassOf(pattern);
  if (characters !== undefined) return (text) => consistsOf(text, characters);
  try {
    const compiled = RE2JS.compile(pattern);
    return (text) => compiled.test(text);
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The characters of a pattern `^[…]*$` without ranges, escapes or negation; undefined for any other. */
function characterClassOf(pattern: string): ReadonlySet<string> | undefined {
  const inside = /^\^\[([0-9A-Za-z_ .]+-?)\]\*\$$/.exec(pattern)?.[1];
  return inside === undefined ? undefined : new Set(inside);
}

function consistsOf(text: string, characters: ReadonlySet<string>): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (!characters.has(text[index]!)) return false;
  }
  return true;
}
