/** docs/errors.md, made from the table of base/errors.ts. */
import { ERRORS } from '../../base/errors.ts';

export function errorsDocument(): string {
  const rows = Object.entries(ERRORS).map(([code, entry]) => {
    const help = 'help' in entry ? ` ${entry.help}` : '';
    const retry = entry.retryable ? 'yes' : 'no';
    return `| \`${code}\` | ${entry.status} | ${entry.sqlstate} | ${retry} | ${cell(entry.message + help)} |`;
  });
  return `# Errors

Every error has a code that never changes its meaning. HTTP answers carry \`{"error": {"code", "message", "retryable", "help"}}\`; the PostgreSQL side the SQLSTATE. *Retry* says whether the same request may succeed later, unchanged.

This page is made from \`base/errors.ts\` by \`npm run docs\`; a test holds the two together.

| code | HTTP | SQLSTATE | retry | message |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
