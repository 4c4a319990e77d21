/** What `tributary serve` prints: new keys, and once it is ready where things are and the first minute. */
import type { IssuedKeys } from '../engine/control.ts';

export interface StartedAppliance {
  readonly url: string;
  readonly dataDirectory: string;
  readonly hotDirectory: string;
  readonly issuedKeys: IssuedKeys | undefined;
}

/** Minted keys; nothing where the operator chose them. */
export function describeKeys({ writeKey, adminKey }: IssuedKeys): string {
  const lines: string[] = [];
  if (writeKey !== undefined) lines.push(`write key   ${writeKey}\n`);
  if (adminKey !== undefined) lines.push(`admin key   ${adminKey}\n`);
  if (lines.length > 0) {
    lines.push('            Keep the keys: they are shown this once, and stored only as hashes.\n');
  }
  return lines.join('');
}

export function describeStart(appliance: StartedAppliance): string {
  const { url, dataDirectory, hotDirectory, issuedKeys } = appliance;
  const lines = [
    `data        ${dataDirectory}`,
    `hot data    ${hotDirectory}`,
    `listening   ${url}`,
  ];
  if (issuedKeys !== undefined) lines.push('', firstMinute(url, issuedKeys));
  return `${lines.join('\n')}\n`;
}

function firstMinute(url: string, keys: IssuedKeys): string {
  const writeKey = keys.writeKey ?? '$WRITE_KEY';
  const adminKey = keys.adminKey ?? '$ADMIN_KEY';
  return `Send an event, then query it:

  curl ${url}/v1/track -u ${writeKey}: -d '{"userId":"ada","event":"Signed Up"}'

  curl ${url}/v1/sql -H 'Authorization: Bearer ${adminKey}' \\
    -d '{"sql":"SELECT event, count(*) AS events FROM events GROUP BY event"}'
`;
}
