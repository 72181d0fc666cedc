import { z } from 'zod';
import { slotCount } from '../../../domain/slot';
import { projectionTiers } from '../../../projections/tiers';
import type { Tier } from '../../../projections/projection';
import { allSlots, divided, type SlotRange } from '../../shared/generations/coverage';

const slot = z
  .number()
  .int()
  .min(0)
  .max(slotCount - 1);
const slotRange = z.object({ from: slot, to: slot }).refine(({ from, to }) => to >= from, 'must run forward');
const tier = z
  .string()
  .refine((name): name is Tier => projectionTiers.some((known) => known.tier === name), 'is no tier');
const uuid = z.uuid().toLowerCase();
const databaseRef = z.string().regex(/^[A-Z][A-Z0-9_]*_DATABASE_URL(_[A-Z0-9_]+)?$/, 'names no database');

const rebuildSpec = z.strictObject({
  kind: z.literal('rebuild'),
  tiers: z
    .array(tier)
    .min(1)
    .transform((tiers) => [...tiers].sort()),
  /** This tenant's rows only. */
  tenantId: uuid.optional(),
  /** The rows that this conversation of the tenant has a part in, in place. */
  conversationId: uuid.optional(),
  /** A temporary copy as it was at a position of the log, in decimal digits. */
  asOf: z
    .strictObject({ position: z.string().regex(/^\d{1,20}$/), ttlHours: z.number().positive() })
    .optional(),
  /** These slots only. */
  slots: slotRange.optional(),
  /** In so many ranges of slots one after the other, for a tier that is too big to hold twice. */
  rolling: z.number().int().min(2).max(64).optional(),
  /** One range, counted from 1, of the rolling rebuild with that number. Never asked for from outside. */
  partOf: z
    .strictObject({ run: z.number().int(), range: z.number().int().min(1), of: z.number().int().min(2) })
    .optional(),
  /** Databases that the new generation is spread over; else those that serve now, shard by shard. */
  databases: z.array(databaseRef).min(1).optional(),
  poison: z.enum(['stop', 'collect']).default('stop'),
});

const repartitionSpec = z.strictObject({
  kind: z.literal('repartition'),
  tiers: z.array(tier).length(1),
  shards: z.number().int().min(1).max(64).optional(),
  /** Of the shards, in turn; else the databases that serve now. */
  databases: z.array(databaseRef).min(1).optional(),
  /** Moves one tenant to the database `to`, where it is alone. */
  tenantId: uuid.optional(),
  to: databaseRef.optional(),
  /** Lets the tenant, which is alone somewhere, be served by its slots again. */
  back: z.literal(true).optional(),
  historyPartitions: z.enum(['week', 'month']).optional(),
  source: z.enum(['replay', 'copy']).optional(),
  poison: z.enum(['stop', 'collect']).default('stop'),
});

/** What a run is to do, as asked for; everything else about it is reckoned from this. */
export const runSpec = z
  .discriminatedUnion('kind', [rebuildSpec, repartitionSpec])
  .superRefine((spec, context) => {
    const fault = spec.kind === 'rebuild' ? faultOfRebuild(spec) : faultOfRepartition(spec);
    if (fault !== null) context.addIssue({ code: 'custom', message: fault });
  });

export type RunSpec = z.infer<typeof runSpec>;
export type RunSpecInput = z.input<typeof runSpec>;
export type RebuildSpec = z.infer<typeof rebuildSpec>;
export type RepartitionSpec = z.infer<typeof repartitionSpec>;

function faultOfRebuild(spec: RebuildSpec): string | null {
  if (new Set(spec.tiers).size !== spec.tiers.length) return 'a tier is named twice';
  if (spec.slots !== undefined && (spec.tenantId !== undefined || spec.asOf !== undefined))
    return 'slots cannot be combined with a tenant or a time';
  if (spec.conversationId !== undefined) return faultOfRefold(spec);
  if (spec.rolling !== undefined) return faultOfRolling(spec);
  return null;
}

function faultOfRolling({ tiers, slots, tenantId, asOf }: RebuildSpec): string | null {
  if (tiers.length !== 1) return 'a rolling rebuild takes one tier';
  const isPart = slots !== undefined || tenantId !== undefined || asOf !== undefined;
  return isPart ? 'a rolling rebuild takes all slots of the tier, up to the end of the log' : null;
}

function faultOfRefold({ tenantId, asOf, rolling, databases, poison }: RebuildSpec): string | null {
  if (tenantId === undefined) return 'a conversation is named together with its tenant';
  if (rolling !== undefined) return 'a conversation is folded again in place, all at once';
  if (asOf !== undefined || databases !== undefined || poison === 'collect')
    return 'a conversation is folded again in place: with no time, no databases and no poison to collect';
  return null;
}

function faultOfRepartition(spec: RepartitionSpec): string | null {
  const wishes = [spec.shards, spec.tenantId, spec.historyPartitions].filter((wish) => wish !== undefined);
  if (wishes.length !== 1) return 'a re-partition takes one of shards, tenant and history partitions';
  const ways = [spec.to, spec.back].filter((way) => way !== undefined);
  if (ways.length !== (spec.tenantId === undefined ? 0 : 1))
    return 'a tenant moves to a database, or back to its slots: one of both, and only with a tenant';
  if (spec.back === true && (spec.databases !== undefined || spec.source === 'replay'))
    return 'a tenant comes back by copy, into the databases that serve its slots';
  return null;
}

/** The tenant that a run brings back to its slots; null: it does something else. */
export function returnedTenant(spec: RunSpec): string | null {
  return spec.kind === 'repartition' && spec.back === true ? (spec.tenantId ?? null) : null;
}

export interface ConversationName {
  readonly tenantId: string;
  readonly conversationId: string;
}

/** The conversation that a run folds again in place; null: it does something else. */
export function refoldedConversation(spec: RunSpec): ConversationName | null {
  if (spec.kind !== 'rebuild' || spec.conversationId === undefined || spec.tenantId === undefined)
    return null;
  return { tenantId: spec.tenantId, conversationId: spec.conversationId };
}

/** One range of a rolling rebuild. */
export type RangeSpec = RebuildSpec & {
  readonly slots: SlotRange;
  readonly partOf: { readonly run: number; readonly range: number; readonly of: number };
};

/** The ranges of a rolling rebuild, as the tasks of their own runs, in their order; null: it does something else. */
export function rangesOf(run: number, spec: RunSpec): RangeSpec[] | null {
  if (spec.kind !== 'rebuild' || spec.rolling === undefined) return null;
  const { rolling: of, ...task } = spec;
  return divided(allSlots, of).map((slots, index) => ({
    ...task,
    slots,
    partOf: { run, range: index + 1, of },
  }));
}

/** In one line for people: `rebuild of oltp, tenant 1234…`. */
export function described(spec: RunSpec): string {
  const what = `${spec.kind === 'rebuild' ? 'rebuild' : 're-partition'} of ${spec.tiers.join(', ')}`;
  return [what, ...(spec.kind === 'rebuild' ? scopeOfRebuild(spec) : scopeOfRepartition(spec))].join(', ');
}

function scopeOfRebuild({ tenantId, conversationId, asOf, slots, rolling, partOf }: RebuildSpec): string[] {
  return [
    ...(tenantId === undefined ? [] : [`tenant ${tenantId}`]),
    ...(conversationId === undefined ? [] : [`conversation ${conversationId} in place`]),
    ...(asOf === undefined ? [] : [`as of position ${asOf.position}`]),
    ...(slots === undefined ? [] : [`slots ${slots.from}-${slots.to}`]),
    ...(rolling === undefined ? [] : [`${rolling} ranges one after the other`]),
    ...(partOf === undefined ? [] : [`range ${partOf.range} of ${partOf.of} of run ${partOf.run}`]),
  ];
}

function scopeOfRepartition({ shards, tenantId, to, historyPartitions }: RepartitionSpec): string[] {
  return [
    ...(shards === undefined ? [] : [`${shards} shards`]),
    ...(tenantId === undefined ? [] : [`tenant ${tenantId} to ${to ?? 'its slots'}`]),
    ...(historyPartitions === undefined ? [] : [`history by ${historyPartitions}`]),
  ];
}
