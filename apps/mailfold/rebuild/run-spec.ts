import { z } from 'zod';
import { slotCount } from '../../../domain/slot';
import { projectionTiers } from '../../../projections/tiers';
import type { Tier } from '../../../projections/projection';

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
  /** These slots only: one part of a rolling rebuild. */
  slots: slotRange.optional(),
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
  return null;
}

function faultOfRefold({ tenantId, asOf, databases, poison }: RebuildSpec): string | null {
  if (tenantId === undefined) return 'a conversation is named together with its tenant';
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

/** In one line for people: `rebuild of oltp, tenant 1234…`. */
export function described(spec: RunSpec): string {
  const what = `${spec.kind === 'rebuild' ? 'rebuild' : 're-partition'} of ${spec.tiers.join(', ')}`;
  return [what, ...(spec.kind === 'rebuild' ? scopeOfRebuild(spec) : scopeOfRepartition(spec))].join(', ');
}

function scopeOfRebuild({ tenantId, conversationId, asOf, slots }: RebuildSpec): string[] {
  return [
    ...(tenantId === undefined ? [] : [`tenant ${tenantId}`]),
    ...(conversationId === undefined ? [] : [`conversation ${conversationId} in place`]),
    ...(asOf === undefined ? [] : [`as of position ${asOf.position}`]),
    ...(slots === undefined ? [] : [`slots ${slots.from}-${slots.to}`]),
  ];
}

function scopeOfRepartition({ shards, tenantId, to, historyPartitions }: RepartitionSpec): string[] {
  return [
    ...(shards === undefined ? [] : [`${shards} shards`]),
    ...(tenantId === undefined ? [] : [`tenant ${tenantId} to ${to ?? 'its slots'}`]),
    ...(historyPartitions === undefined ? [] : [`history by ${historyPartitions}`]),
  ];
}
