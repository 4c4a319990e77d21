/**
 * What of a tenant's configuration decides state. It is a record of the tenant's log, because replaying
 * the log must decide as the live tenant did: a message that was a duplicate stays one.
 */
import { TributaryError } from '../base/errors.ts';
import { HOUR_MICROS } from '../base/units.ts';

export interface TenantConfiguration {
  /** How long a message id is remembered, at least. */
  readonly dedupeWindowMicros: number;
}

/** What holds until the log says otherwise. */
export const INITIAL_CONFIGURATION: TenantConfiguration = {
  dedupeWindowMicros: 24 * HOUR_MICROS,
};

export function serialiseConfiguration(configuration: TenantConfiguration): Uint8Array {
  return Buffer.from(JSON.stringify({ dedupe_window_micros: configuration.dedupeWindowMicros }));
}

/** @throws TRIBUTARY_ENGINE_CONFIGURATION_UNKNOWN for what a newer version wrote. */
export function parseConfiguration(bytes: Uint8Array): TenantConfiguration {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const value = JSON.parse(text) as Record<string, unknown>;
  const { dedupe_window_micros: dedupeWindowMicros, ...unknown } = value;
  const [name] = Object.keys(unknown);
  if (name !== undefined || !Number.isSafeInteger(dedupeWindowMicros)) {
    throw new TributaryError('TRIBUTARY_ENGINE_CONFIGURATION_UNKNOWN', {
      name: name ?? 'dedupe_window_micros',
    });
  }
  return { dedupeWindowMicros: dedupeWindowMicros as number };
}

export function isSameConfiguration(a: TenantConfiguration, b: TenantConfiguration): boolean {
  return a.dedupeWindowMicros === b.dedupeWindowMicros;
}
