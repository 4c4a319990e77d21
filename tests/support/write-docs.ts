/** `npm run docs`: writes the pages that are made from tables in the code. */
import { writeFileSync } from 'node:fs';
import { errorsDocument } from './errors-document.ts';
import { limitsDocument } from './limits-document.ts';

writeFileSync('docs/errors.md', errorsDocument());
writeFileSync('docs/limits.md', limitsDocument());
