import { slotCount } from '../../../domain/slot';

/** Slots, both ends included. */
export interface SlotRange {
  readonly from: number;
  readonly to: number;
}

export const allSlots: SlotRange = { from: 0, to: slotCount - 1 };

/** What part of a tier's rows a target holds, a lane writes or a pointer moves. */
export interface Coverage {
  readonly slots: SlotRange;
  /** Rows of this tenant only; `null`: of all tenants but {@link except}. */
  readonly tenantId: string | null;
  readonly except: readonly string[];
}

export const wholeTier: Coverage = { slots: allSlots, tenantId: null, except: [] };

export function holds({ from, to }: SlotRange, slot: number): boolean {
  return slot >= from && slot <= to;
}

/** Whether rows of this tenant in this slot belong here. */
export function covers(coverage: Coverage, row: { tenantId: string; slot: number }): boolean {
  return holds(coverage.slots, row.slot) && coversTenant(coverage, row.tenantId);
}

/** Whether rows of this tenant belong here, in some slots at least. */
export function coversTenant(
  { tenantId, except }: Pick<Coverage, 'tenantId' | 'except'>,
  which: string,
): boolean {
  return tenantId === null ? !except.includes(which) : tenantId === which;
}

/** The slots that both have, or `null`. */
export function overlap(one: SlotRange, other: SlotRange): SlotRange | null {
  const from = Math.max(one.from, other.from);
  const to = Math.min(one.to, other.to);
  return from <= to ? { from, to } : null;
}

/** The rows that both have, or `null`. */
export function intersection(one: Coverage, other: Coverage): Coverage | null {
  const slots = overlap(one.slots, other.slots);
  if (slots === null) return null;
  const tenantId = one.tenantId ?? other.tenantId;
  if (tenantId === null) return { slots, tenantId, except: [...new Set([...one.except, ...other.except])] };
  const isInBoth = coversTenant(one, tenantId) && coversTenant(other, tenantId);
  return isInBoth ? { slots, tenantId, except: [] } : null;
}

/** `slots` in `count` ranges as equal as can be, in order, without a gap. */
export function divided(slots: SlotRange, count: number): SlotRange[] {
  const width = slots.to - slots.from + 1;
  return Array.from({ length: count }, (_, n) => ({
    from: slots.from + Math.floor((n * width) / count),
    to: slots.from + Math.floor(((n + 1) * width) / count) - 1,
  }));
}
