/**
 * docs/limits.md, made from base/limits.ts and from the defaults of bin/options.ts.
 *
 * What a limit is for stands in its comment in base/limits.ts, where the next reader of the code wants it;
 * so that file is read as text as well. A comment holds for the names below it up to the next one.
 */
import { readFileSync } from 'node:fs';
import { LIMITS } from '../../base/limits.ts';
import { formatBytes } from '../../base/units.ts';
import { formatValue, OPTIONS, type OptionName } from '../../bin/options.ts';

export function limitsDocument(): string {
  const limits = limitsIn(readFileSync('base/limits.ts', 'utf8')).map(({ name, comment }) => {
    const value = LIMITS[name as keyof typeof LIMITS];
    return `| \`${name}\` | ${show(name, value)} | ${cell(comment)} |`;
  });
  const options = (Object.keys(OPTIONS) as OptionName[]).flatMap((name) => {
    const { fallback, help } = OPTIONS[name];
    if (typeof fallback !== 'number') return [];
    return [`| \`${name}\` | ${show(name, Number(formatValue(fallback)))} | ${cell(help)} |`];
  });
  return `# Limits

Beyond each limit stands a named error (see [errors.md](errors.md)); nothing grows without one. This page is made from \`base/limits.ts\` and \`bin/options.ts\` by \`npm run docs\`; a test holds them together.

## What the configuration sets

Defaults; [configuration.md](configuration.md) says how to set them.

| option | default | what |
| --- | --- | --- |
${options.join('\n')}

## What always holds

| limit | value | what |
| --- | --- | --- |
${limits.join('\n')}
`;
}

interface DescribedLimit {
  readonly name: string;
  readonly comment: string;
}

/** The names of the table in their order, each with the comment it stands under. */
export function limitsIn(source: string): DescribedLimit[] {
  const table = source.slice(source.indexOf('LIMITS = '));
  let comment = '';
  return [...table.matchAll(/\/\*\*([\s\S]*?)\*\/|^ {2}(\w+):/gm)].flatMap(([, text, name]) => {
    if (text !== undefined) comment = text.replace(/\s*\n\s*\*?\s*/g, ' ').trim();
    return name === undefined ? [] : [{ name, comment }];
  });
}

/** Sizes also as people read them; `0` of an option is no limit, as its help says. */
function show(name: string, value: number): string {
  const plain = value.toLocaleString('en-US');
  const isSize = name.toLowerCase().includes('bytes') && value >= 1024;
  return isSize ? `${formatBytes(value).replace('.0 ', ' ')} (${plain})` : plain;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
