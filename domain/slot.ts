/** Fixed for ever: lanes, shards and generations are ranges of slots, and every row stores its own. */
export const slotCount = 4096;

/**
 * The slot of an entity of a tenant, 0..4095: FNV-1a over the two ids, folded so that the low bits depend on all.
 * Order is kept within a slot, so all events that feed one row must name the same entity.
 */
export function slotOf(tenantId: string, entityId: string): number {
  let hash = hashed(hashed(hashed(offsetBasis, tenantId), '|'), entityId);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) & (slotCount - 1);
}

/** Of FNV-1a with 32 bits. */
const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;

/** One text after the other, not joined before: a rebuild asks for several slots an event. */
function hashed(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), prime);
  return hash;
}
