/**
 * Where the durable files of an appliance lie in its data directory, as relative paths: what `serve` opens,
 * and what backup, restore and verification go over.
 *
 *   control.json                  tenants, sources, hashed keys
 *   imports.json                  how far bulk imports are; a convenience, may be missing
 *   tenants/<id>/secret           28 bytes
 *   tenants/<id>/wal/wal-…        the log
 *   tenants/<id>/checkpoints/…   what a start begins with; the log below is gone
 *   tenants/<id>/erasures.json    what a restore asks the next start to erase again; then it goes
 *   lake/<id>/<table>-<8 hex>/…   cold rows, docs/lake.md
 */
export const CONTROL_FILE = 'control.json';
export const IMPORTS_FILE = 'imports.json';
export const TENANTS_DIRECTORY = 'tenants';
export const LAKE_DIRECTORY = 'lake';

export function secretFileOf(tenantId: string): string {
  return `${TENANTS_DIRECTORY}/${tenantId}/secret`;
}

export function checkpointDirectoryOf(tenantId: string): string {
  return `${TENANTS_DIRECTORY}/${tenantId}/checkpoints`;
}

export function walDirectoryOf(tenantId: string): string {
  return `${TENANTS_DIRECTORY}/${tenantId}/wal`;
}

export function erasuresFileOf(tenantId: string): string {
  return `${TENANTS_DIRECTORY}/${tenantId}/erasures.json`;
}
