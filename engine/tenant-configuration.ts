/**
 * What of a tenant's configuration decides state, or how it is read. It is a record of the tenant's log,
 * because replaying the log must decide as the live tenant did: a message that was a duplicate stays one.
 */
import { TributaryError } from '../base/errors.ts';
import { HOUR_MICROS } from '../base/units.ts';
import { NO_DECLARATIONS, parseDeclaredTraits, type TraitDeclarations } from './declared-traits.ts';

/** What the appliance's own options say of every tenant. */
export interface ApplianceConfiguration {
  /** How long a message id is remembered, at least. */
  readonly dedupeWindowMicros: number;
}

export interface TenantConfiguration extends ApplianceConfiguration {
  readonly declarations: TraitDeclarations;
}

/** What holds until the log says otherwise. */
export const INITIAL_CONFIGURATION: TenantConfiguration = {
  dedupeWindowMicros: 24 * HOUR_MICROS,
  declarations: NO_DECLARATIONS,
};

/** What was never declared is left out, as it was before anything could be. */
export function serialiseConfiguration(configuration: TenantConfiguration): Uint8Array {
  const { dedupeWindowMicros, declarations } = configuration;
  return Buffer.from(
    JSON.stringify({
      dedupe_window_micros: dedupeWindowMicros,
      ...(declarations.version > NO_DECLARATIONS.version && { declarations }),
    }),
  );
}

/** @throws TRIBUTARY_ENGINE_CONFIGURATION_UNKNOWN for what a newer version wrote. */
export function parseConfiguration(bytes: Uint8Array): TenantConfiguration {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const value = JSON.parse(text) as Record<string, unknown>;
  const { dedupe_window_micros: dedupeWindowMicros, declarations, ...unknown } = value;
  const [name] = Object.keys(unknown);
  if (name !== undefined || !Number.isSafeInteger(dedupeWindowMicros)) {
    throw new TributaryError('TRIBUTARY_ENGINE_CONFIGURATION_UNKNOWN', {
      name: name ?? 'dedupe_window_micros',
    });
  }
  return {
    dedupeWindowMicros: dedupeWindowMicros as number,
    declarations: declarations === undefined ? NO_DECLARATIONS : parseDeclarations(declarations),
  };
}

export function isSameConfiguration(a: TenantConfiguration, b: TenantConfiguration): boolean {
  return Buffer.compare(serialiseConfiguration(a), serialiseConfiguration(b)) === 0;
}

function parseDeclarations(value: unknown): TraitDeclarations {
  const { version, traits } = value as TraitDeclarations;
  if (Number.isSafeInteger(version)) return { version, traits: parseDeclaredTraits(traits) };
  throw new TributaryError('TRIBUTARY_ENGINE_CONFIGURATION_UNKNOWN', { name: 'declarations' });
}
