/**
 * An HTTP request and its answer as plain values, for what answers without knowing of a server: the
 * catalog and the facade of the lake are such functions, and tests call them without a socket.
 */

export interface PlainRequest {
  /** Upper case. */
  readonly method: string;
  /** As it was sent, percent-encoding and all: a signature is over these characters. */
  readonly path: string;
  /** As it was sent, without the question mark. */
  readonly query: string;
  /** By lower-case name; values of a repeated header joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** How clients reach the appliance: scheme, host and port, without a slash at the end. */
  readonly origin: string;
}

/** Bytes that are read piece by piece, as fast as the client takes them. */
export interface ByteSource {
  readonly length: number;
  /** Exactly `length` bytes from `offset`, both within the source. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Of an answer to HEAD, what GET would send: the server leaves it out. */
  readonly body: Uint8Array | ByteSource;
}
