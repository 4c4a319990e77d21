/**
 * A result as a table for people: columns side by side, numbers to the right.
 *
 * - A text of several lines, such as a plan, takes several lines of its column, which is as wide as the longest.
 * - Control characters are shown as `\x1b`: what an event says must not steer the terminal of who reads it.
 */

export interface TableResult {
  readonly columns: readonly { readonly name: string }[];
  readonly rows: readonly (readonly unknown[])[];
}

/** Tabs and line feeds are dealt with before. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_CHARACTERS = /[\x00-\x1f\x7f-\x9f]/g;

/** @returns the header, a rule, the rows and their count, each line ended. */
export function formatTable({ columns, rows }: TableResult): string {
  const header = columns.map(({ name }) => linesOf(name).join(' '));
  const cells = rows.map((row) => row.map(linesOf));
  const widths = header.map((name, column) =>
    cells.reduce(
      (widest, row) => row[column]!.reduce((most, line) => Math.max(most, line.length), widest),
      name.length,
    ),
  );
  const isNumeric = header.map((_, column) =>
    rows.every((row) => row[column] === null || typeof row[column] === 'number'),
  );
  const align = (line: readonly string[]): string =>
    line
      .map((text, column) =>
        isNumeric[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd();
  const linesOfRow = (row: readonly (readonly string[])[]): string[] => {
    const height = row.reduce((most, lines) => Math.max(most, lines.length), 1);
    return Array.from({ length: height }, (_, at) => align(row.map((lines) => lines[at] ?? '')));
  };
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  const count = `(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`;
  return `${[align(header), rule, ...cells.flatMap(linesOfRow), count].join('\n')}\n`;
}

function linesOf(value: unknown): string[] {
  if (value === null) return [''];
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.replaceAll('\t', '    ').replace(CONTROL_CHARACTERS, shown));
}

function shown(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
