/**
 * Signs requests to an S3 store; the only module that imports aws4fetch.
 *
 * Of the package only the signer is used: its client retries on its own terms and reads the clock itself.
 */
import { createHash } from 'node:crypto';
import { AwsV4Signer } from 'aws4fetch';
import type { Clock } from '../../base/clock.ts';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Signs for one region with one key. */
export class S3Signer {
  readonly #credentials: S3Credentials;
  readonly #region: string;
  readonly #clock: Clock;
  /** Of the day's derived keys. */
  readonly #cache = new Map<string, ArrayBuffer>();

  constructor(credentials: S3Credentials, region: string, clock: Clock) {
    this.#credentials = credentials;
    this.#region = region;
    this.#clock = clock;
  }

  /** The headers to send, the signature among them; it covers the body. */
  async sign(
    method: string,
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
  ): Promise<Headers> {
    const now = new Date(this.#clock.nowMicros() / 1000);
    const payloadHash = createHash('sha256').update(body).digest('hex');
    const signer = new AwsV4Signer({
      ...this.#credentials,
      method,
      url: url.href,
      headers: { ...headers, 'x-amz-content-sha256': payloadHash },
      service: 's3',
      region: this.#region,
      cache: this.#cache,
      datetime: now.toISOString().replace(/[:-]|\.\d{3}/g, ''),
    });
    return (await signer.sign()).headers;
  }
}
