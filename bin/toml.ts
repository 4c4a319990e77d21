/** Reads TOML; the only module that imports smol-toml. */
import { parse } from 'smol-toml';

/** @throws Error with line and column when `text` is not TOML 1.0. */
export function parseToml(text: string): Record<string, unknown> {
  return parse(text);
}
