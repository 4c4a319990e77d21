/**
 * The namespace of a tenant in the lake: `tenant_` and the digits of its id.
 *
 * Not the tenant's name, which may change while locations may not; and without hyphens, so that no
 * engine wants it quoted.
 */
export function lakeNamespace(tenantId: string): string {
  return `tenant_${tenantId.replaceAll('-', '')}`;
}
