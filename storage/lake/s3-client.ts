/**
 * Requests to one bucket of an S3 store: signed, with a time limit, and repeated while that may help.
 *
 * Every request of the lake may be repeated: its effect is the same the second time. What may differ is
 * the answer (a conditional put that succeeded unseen finds its own object), so an answer says how many
 * attempts there were.
 *
 * - Repeated: no answer, 408, 409 (S3's word for a conditional put that met another), 429 and 5xx; up to
 *   five times, with full jitter (AWS, "Exponential Backoff And Jitter").
 * - Any other status that is not expected is an error with S3's code in it.
 */
import type { Clock } from '../../base/clock.ts';
import { TributaryError } from '../../base/errors.ts';
import type { RandomSource } from '../../base/random.ts';
import { type S3Credentials, S3Signer } from './s3-signing.ts';
import { textIn } from './s3-xml.ts';

const ATTEMPTS_MAX = 5;
const DELAY_MS = 100;
/** Of one attempt; a part of 16 MiB takes so long at 280 KB/s. */
const ATTEMPT_MS_MAX = 60_000;

export interface S3ClientOptions {
  /** `https://s3.eu-central-1.amazonaws.com`, without a slash at the end. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  /** Whether the bucket is the first part of the path, or of the host. */
  readonly isPathStyle: boolean;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** The longest wait before the second attempt, milliseconds; it doubles with each. */
  readonly retryDelayMs?: number;
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Empty for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Statuses that are answers and not failures, beside 2xx. */
  readonly expected?: readonly number[];
}

export interface S3Response {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
  /** With more than one, an earlier one may have had its effect. */
  readonly attempts: number;
}

type Attempt = Omit<S3Response, 'attempts'>;

const NOTHING = new Uint8Array();

export class S3Client {
  readonly #options: S3ClientOptions;
  readonly #signer: S3Signer;
  readonly #base: URL;

  constructor(options: S3ClientOptions) {
    const { bucket, clock, credentials, endpoint, isPathStyle, region } = options;
    this.#options = options;
    this.#signer = new S3Signer(credentials, region, clock);
    this.#base = new URL(isPathStyle ? `${endpoint}/${bucket}/` : `${endpoint}/`);
    if (!isPathStyle) this.#base.host = `${bucket}.${this.#base.host}`;
  }

  /** @throws TributaryError TRIBUTARY_LAKE_STORE_UNREACHABLE or _STORE_REFUSED */
  async request(request: S3Request): Promise<S3Response> {
    let failure: unknown;
    for (let attempts = 1; attempts <= ATTEMPTS_MAX; attempts += 1) {
      if (attempts > 1) await this.#wait(attempts);
      let answer: Attempt | undefined;
      try {
        answer = await this.#attempt(request);
      } catch (error) {
        failure = error;
        continue;
      }
      const { status } = answer;
      const isExpected = request.expected?.includes(status) ?? false;
      if ((status >= 200 && status < 300) || isExpected) return { ...answer, attempts };
      failure = this.#refused(request, answer);
      if (status < 500 && ![408, 409, 429].includes(status)) break;
    }
    if (failure instanceof TributaryError) throw failure;
    const reason = failure instanceof Error ? describe(failure) : String(failure);
    const { endpoint } = this.#options;
    throw new TributaryError('TRIBUTARY_LAKE_STORE_UNREACHABLE', { endpoint, reason }, failure);
  }

  async #attempt({
    body = NOTHING,
    headers = {},
    key,
    method,
    query = {},
  }: S3Request): Promise<Attempt> {
    const url = new URL(this.#base);
    url.pathname += key.split('/').map(encodeURIComponent).join('/');
    if (key === '' && this.#options.isPathStyle) url.pathname = url.pathname.slice(0, -1);
    url.search = Object.entries(query)
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
      .join('&');
    const signed = await this.#signer.sign(method, url, headers, body);
    const response = await fetch(url, {
      method,
      headers: signed,
      signal: AbortSignal.timeout(ATTEMPT_MS_MAX),
      redirect: 'error',
      ...(method === 'PUT' || method === 'POST' ? { body } : {}),
    });
    const content = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, body: content };
  }

  #refused({ key, method }: S3Request, { body, status }: Attempt): TributaryError {
    const text = Buffer.from(body).toString('utf8');
    const code = textIn(text, 'Code') ?? 'no code';
    const reason = textIn(text, 'Message') ?? 'no message';
    return new TributaryError('TRIBUTARY_LAKE_STORE_REFUSED', {
      request: `${method} ${key === '' ? 'of the bucket' : key}`,
      status,
      code,
      reason,
    });
  }

  #wait(attempts: number): Promise<void> {
    const { random, retryDelayMs = DELAY_MS } = this.#options;
    const [low, high] = random.bytes(2) as Iterable<number> as [number, number];
    const share = (low + 256 * high) / 65_536;
    const delayMs = share * retryDelayMs * 2 ** (attempts - 2);
    return new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}

/** fetch hides what went wrong in the cause. */
function describe(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
