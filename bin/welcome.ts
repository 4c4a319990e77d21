/** What `tributary serve` prints once it is ready: where things are, new keys, the first minute. */
import type { IssuedKeys } from '../engine/control.ts';

export interface StartedAppliance {
  readonly url: string;
  readonly dataDirectory: string;
  readonly hotDirectory: string;
  readonly issuedKeys: IssuedKeys | undefined;
}

export function describeStart(appliance: StartedAppliance): string {
  const { url, dataDirectory, hotDirectory, issuedKeys } = appliance;
  const lines = [`data        ${dataDirectory}`, `hot data    ${hotDirectory}`];
  if (issuedKeys?.writeKey !== undefined) lines.push(`write key   ${issuedKeys.writeKey}`);
  if (issuedKeys?.adminKey !== undefined) lines.push(`admin key   ${issuedKeys.adminKey}`);
  if (issuedKeys?.writeKey !== undefined || issuedKeys?.adminKey !== undefined) {
    lines.push('            Keep the keys: they are shown this once, and stored only as hashes.');
  }
  lines.push(`listening   ${url}`);
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
