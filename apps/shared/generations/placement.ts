import type { ClientBase, Pool } from 'pg';
import { slotOf } from '../../../domain/slot';
import type { Tier } from '../../../projections/projection';
import { inTransaction } from '../postgres/transaction';
import { holds, overlap, type Coverage, type SlotRange } from './coverage';

/** Where a part of a generation lies: a schema of one database, with what it holds. */
export interface Target {
  readonly tier: Tier;
  readonly generation: number;
  readonly shard: number;
  /** Name of the variable that holds the URL of its database. */
  readonly databaseRef: string;
  readonly schema: string;
  readonly slots: SlotRange;
  /** Holds this tenant only; `null`: all tenants but {@link except}. */
  readonly tenantId: string | null;
  /** Tenants that it has given up, because another generation serves them. */
  readonly except: readonly string[];
}

/** What a target holds. */
export function coverageOf({ slots, tenantId, except }: Target): Coverage {
  return { slots, tenantId, except };
}

export interface SlotPointer {
  readonly slots: SlotRange;
  readonly generation: number;
  readonly previousGeneration: number | null;
}

export interface TenantPointer {
  readonly tenantId: string;
  /** `null`: by its slots, as all others. */
  readonly generation: number | null;
  readonly previousGeneration: number | null;
}

/** Which generation serves what of a tier, and where. */
export interface Placement {
  readonly tier: Tier;
  /** Grows with every switch; a switch must name the one it has seen. */
  readonly epoch: number;
  /** In order, without a gap. Empty: the tier serves nothing yet. */
  readonly pointers: readonly SlotPointer[];
  readonly tenantPointers: readonly TenantPointer[];
  /** Of all generations that are not retired. */
  readonly targets: readonly Target[];
}

/** A stretch of a tenant's slots and the target that serves it. */
export interface ServedPart {
  readonly target: Target;
  readonly slots: SlotRange;
}

/** Somebody else has switched since the pointers were read, or the generation may not serve. */
export class SwitchRefused extends Error {
  override readonly name = 'SwitchRefused';
}

/** In one statement each, so that pointers and targets are of one moment. */
export async function readPlacement(db: Pool | ClientBase, tier: Tier): Promise<Placement> {
  const { rows } = await db.query<{
    epoch: string;
    pointers: SlotPointer[];
    tenantPointers: TenantPointer[];
    targets: Target[];
  }>({ name: 'placement', text: placementOf, values: [tier] });
  const [row] = rows;
  if (row === undefined) throw new Error(`The placement of ${tier} cannot be read`);
  return { tier, ...row, epoch: Number(row.epoch) };
}

const slotsOf = (row: string): string => `json_build_object('from', ${row}.slot_from, 'to', ${row}.slot_to)`;
const placementOf = `
  select greatest(
      (select coalesce(max(epoch), 0) from pointers where tier = $1),
      (select coalesce(max(epoch), 0) from tenant_pointers where tier = $1)) as epoch,
    (select coalesce(json_agg(json_build_object('slots', ${slotsOf('p')}, 'generation', p.generation,
         'previousGeneration', p.previous_generation) order by p.slot_from), '[]')
     from pointers p where p.tier = $1) as pointers,
    (select coalesce(json_agg(json_build_object('tenantId', p.tenant_id, 'generation', p.generation,
         'previousGeneration', p.previous_generation) order by p.tenant_id), '[]')
     from tenant_pointers p where p.tier = $1) as "tenantPointers",
    (select coalesce(json_agg(json_build_object('tier', t.tier, 'generation', t.generation, 'shard', t.shard,
         'databaseRef', t.database_ref, 'schema', t.schema_name, 'slots', ${slotsOf('t')}, 'tenantId', t.tenant_id, 'except', t.except_tenants)
         order by t.generation, t.shard), '[]')
     from generation_targets t join generations g on g.tier = t.tier and g.generation = t.generation
     where t.tier = $1 and g.state <> 'retired') as targets`;

/**
 * Where the rows of a tenant are served from, in slot order, without a gap: one part for most, several while a tier is
 * sharded or a switch is under way slot by slot. Throws when a generation that should serve has no target for some slot.
 */
export function partsOf(placement: Placement, tenantId: string): ServedPart[] {
  const pinned =
    placement.tenantPointers.find((pointer) => pointer.tenantId === tenantId)?.generation ?? null;
  const parts = placement.pointers.flatMap(({ slots, generation }) =>
    targetsOf(placement, pinned ?? generation, tenantId).flatMap((target) => {
      const common = overlap(slots, target.slots);
      return common ? [{ target, slots: common }] : [];
    }),
  );
  return joined(
    parts.sort((one, other) => one.slots.from - other.slots.from),
    placement,
  );
}

/** Which of a tenant's parts serves the rows of one of its entities: a conversation, a message, a user, the tenant itself. */
export function partHolding<Part extends { readonly ranges: readonly SlotRange[] }>(
  parts: readonly Part[],
  tenantId: string,
  entityId: string,
): Part {
  const slot = slotOf(tenantId, entityId);
  const part = parts.find(({ ranges }) => ranges.some((range) => holds(range, slot)));
  if (part === undefined) throw new Error(`Nothing serves slot ${slot}`);
  return part;
}

/** The target that serves one slot of a tenant. */
export function targetOf(placement: Placement, tenantId: string, slot: number): Target {
  const part = partsOf(placement, tenantId).find(({ slots }) => holds(slots, slot));
  if (part === undefined) throw new Error(`Nothing serves slot ${slot} of ${placement.tier}`);
  return part.target;
}

function targetsOf({ targets }: Placement, generation: number, tenantId: string): Target[] {
  return targets.filter(
    (target) =>
      target.generation === generation &&
      (target.tenantId === null ? !target.except.includes(tenantId) : target.tenantId === tenantId),
  );
}

/** Neighbours on one target become one part. Throws where a slot is left out or served twice. */
function joined(parts: readonly ServedPart[], { tier, pointers }: Placement): ServedPart[] {
  const whole: ServedPart[] = [];
  let next = pointers[0]?.slots.from ?? 0;
  for (const part of parts) {
    if (part.slots.from !== next)
      throw new Error(`Slot ${next} of ${tier} is served by no target, or by two`);
    next = part.slots.to + 1;
    const last = whole.at(-1);
    if (last?.target === part.target)
      whole[whole.length - 1] = { ...last, slots: { from: last.slots.from, to: part.slots.to } };
    else whole.push(part);
  }
  const end = (pointers.at(-1)?.slots.to ?? -1) + 1;
  if (next !== end) throw new Error(`Slot ${next} of ${tier} is served by no target`);
  return whole;
}

/** What a switch moves: some slots of all tenants, or one tenant. `to: null` serves a tenant by its slots again. */
export type Move =
  | { readonly slots: SlotRange; readonly to: number }
  | { readonly tenantId: string; readonly to: number | null };

/**
 * Lets queries read other generations: a compare-and-swap on the epoch of the tier, told to all readers by NOTIFY. What
 * served before is remembered per slot and tenant, so {@link wayBack} gives the moves of the rollback. That the generations
 * have come as far as those they replace is the caller's proof.
 * Throws {@link SwitchRefused} when a pointer has moved since `epoch`, or a generation is not tailing or does not hold the slots.
 */
export async function switchPointers(
  controlPool: Pool,
  tier: Tier,
  { epoch, moves }: { readonly epoch: number; readonly moves: readonly Move[] },
): Promise<Placement> {
  return inTransaction(controlPool, async (client) => {
    await client.query('lock table pointers, tenant_pointers in share row exclusive mode');
    const before = await readPlacement(client, tier);
    if (before.epoch !== epoch)
      throw new SwitchRefused(
        `tier ${tier} was not switched: its pointers are at epoch ${before.epoch}, not at ${epoch}; look again`,
      );
    await refuseUnfit(client, tier, moves);
    for (const move of moves) {
      if ('slots' in move) await moveSlots(client, tier, move, epoch + 1);
      else await moveTenant(client, tier, move, epoch + 1);
    }
    const after = await readPlacement(client, tier);
    // Throws, and so takes all back, when some slot would be served by nobody.
    partsOf(after, unknownTenant);
    for (const { tenantId } of after.tenantPointers) partsOf(after, tenantId);
    return after;
  });
}

/** Stands for every tenant without a pointer of its own. */
const unknownTenant = '00000000-0000-0000-0000-000000000000';

/** The moves that take back what brought `generation` to serve; none when it serves nothing, or has nothing before it. */
export function wayBack({ pointers, tenantPointers }: Placement, generation: number): Move[] {
  const slots = pointers.flatMap((pointer) =>
    pointer.generation === generation && pointer.previousGeneration !== null
      ? [{ slots: pointer.slots, to: pointer.previousGeneration }]
      : [],
  );
  const tenants = tenantPointers.flatMap((pointer) =>
    pointer.generation === generation ? [{ tenantId: pointer.tenantId, to: pointer.previousGeneration }] : [],
  );
  return [...slots, ...tenants];
}

/** Throws {@link SwitchRefused} when some move leads to a generation that projectors do not keep up to date. */
export async function refuseUnfit(db: Pool | ClientBase, tier: Tier, moves: readonly Move[]): Promise<void> {
  const { rows } = await db.query<{ generation: number }>(
    `select generation from generations where tier = $1 and state = 'tailing'`,
    [tier],
  );
  const tailing = new Set(rows.map(({ generation }) => generation));
  for (const { to } of moves)
    if (to !== null && !tailing.has(to))
      throw new SwitchRefused(`generation ${to} of ${tier} is not being kept up to date, so it cannot serve`);
}

/** Cuts the pointers that reach over the ends of the moved slots, so that each moved row remembers its own before. */
async function moveSlots(
  client: ClientBase,
  tier: Tier,
  { slots, to }: { slots: SlotRange; to: number },
  epoch: number,
): Promise<void> {
  for (const cut of [slots.from, slots.to + 1])
    await client.query(
      `with whole as (
         update pointers p set slot_to = $2 - 1 from pointers old
         where p.tier = $1 and p.slot_from < $2 and p.slot_to >= $2
           and old.tier = p.tier and old.slot_from = p.slot_from
         returning p.tier, old.slot_to, p.generation, p.previous_generation, p.epoch, p.switched_at)
       insert into pointers (tier, slot_from, slot_to, generation, previous_generation, epoch, switched_at)
       select tier, $2, slot_to, generation, previous_generation, epoch, switched_at from whole`,
      [tier, cut],
    );
  await client.query(
    `update pointers set previous_generation = generation, generation = $4, epoch = $5, switched_at = now()
     where tier = $1 and slot_from >= $2 and slot_to <= $3 and generation <> $4`,
    [tier, slots.from, slots.to, to, epoch],
  );
}

async function moveTenant(
  client: ClientBase,
  tier: Tier,
  { tenantId, to }: { tenantId: string; to: number | null },
  epoch: number,
): Promise<void> {
  await client.query(
    `insert into tenant_pointers as p (tier, tenant_id, generation, epoch) values ($1, $2, $3, $4)
     on conflict (tier, tenant_id) do update
     set previous_generation = p.generation, generation = $3, epoch = $4, switched_at = now()`,
    [tier, tenantId, to, epoch],
  );
}
