/**
 * The lake of the appliance: where its objects lie, and the door through which other engines read them.
 *
 * Without an endpoint it lies in `data_dir/lake`. With one it lies on that S3 store under the same keys, and
 * `data_dir/lake` holds a copy, which the appliance's own queries read.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import type { ControlPlane } from '../engine/control.ts';
import { LAKE_DIRECTORY, secretFileOf } from '../engine/data-files.ts';
import { lakeSigningKey, openTenantSecret } from '../engine/tenant-secret.ts';
import { LakeDoor } from '../query/lake/lake-door.ts';
import type { FileSystem } from '../storage/file-system.ts';
import { LocalObjectStore } from '../storage/lake/local-object-store.ts';
import { MirroredObjectStore } from '../storage/lake/mirrored-object-store.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import { S3ObjectStore } from '../storage/lake/s3-object-store.ts';
import type { S3Credentials } from '../storage/lake/s3-signing.ts';
import { makeDirectory } from './directories.ts';
import type { Configuration } from './options.ts';

const PREFIX = 'TRIBUTARY_LAKE_S3_';

export interface LakeStoreOptions {
  readonly configuration: Configuration;
  /** Of the S3 store; undefined when none were given. */
  readonly credentials: S3Credentials | undefined;
  readonly dataDirectory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

/** @throws TributaryError when a place cannot be used, see makeDirectory and S3ObjectStore.open. */
export async function openLakeStore(options: LakeStoreOptions): Promise<ObjectStore> {
  const { clock, configuration, credentials, dataDirectory, fileSystem } = options;
  const { logger, random } = options;
  const { lake_bucket: bucket, lake_s3_endpoint: endpoint } = configuration;
  const { path } = makeDirectory('data_dir', join(dataDirectory, LAKE_DIRECTORY));
  const local = await LocalObjectStore.open(fileSystem, path, bucket);
  if (endpoint === '') return local;
  if (credentials === undefined) {
    throw new TributaryError('TRIBUTARY_CONFIG_INVALID_VALUE', {
      origin: 'the environment',
      key: `${PREFIX}ACCESS_KEY_ID and ${PREFIX}SECRET_ACCESS_KEY`,
      value: 'nothing',
      expected: 'the key of the S3 store at lake_s3_endpoint',
    });
  }
  const remote = await S3ObjectStore.open({
    endpoint,
    bucket,
    region: configuration.lake_s3_region,
    credentials,
    isPathStyle: configuration.lake_s3_style === 'path',
    clock,
    random,
    fileSystem,
    stagingDirectory: local.stagingDirectory,
  });
  const mirror = await MirroredObjectStore.open({ remote, local, fileSystem });
  logger.log('info', 'the local copy of the lake is whole', { ...mirror.report });
  return mirror;
}

/** The key of the S3 store, from the environment. */
export function lakeCredentialsOf(
  environment: Readonly<Record<string, string | undefined>>,
): S3Credentials | undefined {
  const accessKeyId = environment[`${PREFIX}ACCESS_KEY_ID`];
  const secretAccessKey = environment[`${PREFIX}SECRET_ACCESS_KEY`];
  const sessionToken = environment[`${PREFIX}SESSION_TOKEN`];
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}

/** The door over `store`, for the tenants that are there now. Their secrets have been made. */
export async function openLakeDoor(
  options: LakeStoreOptions,
  store: ObjectStore,
  control: ControlPlane,
): Promise<LakeDoor> {
  const { clock, configuration, dataDirectory, fileSystem, random } = options;
  const signingKeys = new Map<string, Uint8Array>();
  for (const { id } of control.tenants) {
    const path = join(dataDirectory, secretFileOf(id));
    signingKeys.set(id, lakeSigningKey(await openTenantSecret(fileSystem, path, random)));
  }
  const access = {
    authenticate: (token: string) => control.authenticateLake(token),
    principal: (tokenId: string) => control.lakePrincipal(tokenId),
    signingKey(tenantId: string): Uint8Array {
      const key = signingKeys.get(tenantId);
      if (key !== undefined) return key;
      throw new TributaryError('TRIBUTARY_ENGINE_TENANT_UNKNOWN', { id: tenantId });
    },
  };
  const direct = directAccess(configuration);
  return new LakeDoor({ store, access, clock, ...(direct !== undefined && { direct }) });
}

/** What clients need to read an S3 store with keys of their own; undefined to vend the facade's. */
function directAccess(configuration: Configuration): Record<string, string> | undefined {
  const { lake_s3_endpoint: endpoint, lake_s3_region: region } = configuration;
  if (endpoint === '' || configuration.lake_vend === 'facade') return undefined;
  return {
    's3.endpoint': `${endpoint}/`,
    's3.region': region,
    'client.region': region,
    's3.path-style-access': String(configuration.lake_s3_style === 'path'),
  };
}
