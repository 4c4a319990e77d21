/**
 * The namespace of a tenant in the lake: its id. Not its name, which may change while locations may not.
 */
export function lakeNamespace(tenantId: string): string {
  return tenantId;
}
