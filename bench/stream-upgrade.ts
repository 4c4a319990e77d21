/** The request that opens `/v1/stream` on a socket, for connections that are made by hand. */
import { randomBytes } from 'node:crypto';

/** Ends the head of a request or an answer. */
export const HEAD_END = '\r\n\r\n';

export function upgradeRequest(key: string): string {
  return [
    'GET /v1/stream HTTP/1.1',
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Protocol: tributary.v1',
    `Authorization: Bearer ${key}${HEAD_END}`,
  ].join('\r\n');
}
