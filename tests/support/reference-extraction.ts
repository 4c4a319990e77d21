/** Where identifiers are in an event, read from the parsed event as the rules say: slow and obvious. */
import type {
  IdentifierRule,
  IdentityRules,
  NormalizeStep,
} from '../../identity/identity-rules.ts';
import type { TestEvent } from './engine-fixture.ts';

export interface FoundIdentifier {
  readonly type: string;
  readonly value: string;
}

/** In the order in which nodes are numbered: user_id, anonymous_id, then the other types as the rules list them. */
export function identifiersOf(event: TestEvent, rules: IdentityRules): FoundIdentifier[] {
  const ordered = [...rules.types.slice(0, 2), ...rules.types.slice(2)];
  return ordered.flatMap((rule) => {
    for (const path of rule.from) {
      const values = valuesAt(event, path)
        .map((value) => comparable(value, rule))
        .filter((value) => value !== undefined);
      if (values.length > 0) {
        return [...new Set(values)].map((value) => ({ type: rule.type, value }));
      }
    }
    return [];
  });
}

function comparable({ value, prefix }: RawValue, rule: IdentifierRule): string | undefined {
  const text = normalize(value, rule.normalize);
  if (text === '') return undefined;
  const whole = prefix + text;
  return Buffer.byteLength(whole) > 1024 ? undefined : whole;
}

interface RawValue {
  readonly value: string;
  readonly prefix: string;
}

function valuesAt(event: TestEvent, path: string): RawValue[] {
  const [, before, list] = /^([^[]+)(?:\[(.*)\])?$/.exec(path)!;
  const keys = before!.split('.');
  if (keys[0] === 'traits' && event['type'] === 'group') return [];
  let value: unknown = event;
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  }
  if (list === undefined) return scalar(value).map((text) => ({ value: text, prefix: '' }));
  if (!Array.isArray(value)) return [];
  return value.slice(0, 16).flatMap((entry: { id?: unknown; type?: unknown } | null) => {
    if (typeof entry !== 'object' || entry === null || typeof entry.type !== 'string') return [];
    const { type } = entry;
    if (list !== '' && type !== list) return [];
    return scalar(entry.id).map((text) => ({
      value: text,
      prefix: list === '' ? `${type}:` : '',
    }));
  });
}

function scalar(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'number' ? [JSON.stringify(value)] : [];
}

export function normalize(value: string, steps: readonly NormalizeStep[]): string {
  let text = value;
  if (steps.includes('trim') || steps.includes('phone')) {
    text = text.replace(/^[ \t-\r]+|[ \t-\r]+$/g, '');
  }
  if (steps.includes('lower')) text = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  if (steps.includes('digits')) text = text.replace(/[^0-9]/g, '');
  if (!steps.includes('phone')) return text;
  const isInternational = text.startsWith('+');
  const digits = text.replace(/[^0-9]/g, '');
  if (isInternational) return digits === '' ? '' : `+${digits}`;
  return digits.startsWith('00') && digits.length > 2
    ? `+${digits.slice(2)}`
    : digits.replace(/^00$/, '');
}
