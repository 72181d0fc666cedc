/** The categories of the log. A category is the text before the first `-`, so no name here may hold one. */
export const categories = [
  'tenant',
  'user',
  'mailbox',
  'message',
  'content',
  'thread',
  'conversation',
  'command',
] as const;
export type Category = (typeof categories)[number];

/**
 * `<category>-<tenantId>.<entityId>`, ids as 32 lower-case hex digits. One tenant is then a prefix, and so is one category,
 * which is what a server-side filter can select by (architecture.md §3).
 */
export function streamName(category: Category, tenantId: string, entityId: string): string {
  return `${category}-${hexOf(tenantId)}.${hexOf(entityId)}`;
}

/** What the names of all streams of a tenant begin with, or of one entity of it: a prefix per category. */
export function streamPrefixes(tenantId: string, entityId?: string): string[] {
  const entity = entityId === undefined ? '' : hexOf(entityId);
  return categories.map((category) => `${category}-${hexOf(tenantId)}.${entity}`);
}

/** The inverse of {@link streamName}; `null` for a stream that is not ours (system streams, other applications). */
export function parseStreamName(
  name: string,
): { category: string; tenantId: string; entityId: string } | null {
  const match = /^([a-z]+)-([0-9a-f]{32})\.([0-9a-f]{32})$/.exec(name);
  const [, category, tenantId, entityId] = match ?? [];
  if (category === undefined || tenantId === undefined || entityId === undefined) return null;
  return { category, tenantId: uuidOf(tenantId), entityId: uuidOf(entityId) };
}

function hexOf(uuid: string): string {
  return uuid.replaceAll('-', '').toLowerCase();
}

function uuidOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
