import type { ClientBase, Pool } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import type { EventStore } from '../event-store/event-store';
import { inTransaction } from '../postgres/transaction';
import { loaderPool } from '../rebuilding/load/loader-pool';
import { changeLanes } from './change-lanes';
import { compactTables } from './compact-tables';
import { coversTenant, overlap, type Coverage, type SlotRange } from './coverage';
import { deleteRows } from './delete-rows';
import { dropSchemas, generationNamed, retireGeneration, urlNamed, type DatabaseUrls } from './generations';
import { coverageOf, readPlacement, SwitchRefused, type Placement, type Target } from './placement';

export interface ShedOptions {
  readonly control: Pool;
  readonly urls: DatabaseUrls;
  readonly tier: ProjectionTier;
  /** The one that gives something up. */
  readonly generation: number;
  /** Gives up this tenant, which is served by a generation of its own; without it the slots that others serve. */
  readonly tenantId?: string;
  readonly store: Pick<EventStore, 'readRecords'>;
  readonly signal: AbortSignal;
  /** Awaited between batches: to throttle or to pause. */
  readonly pace?: () => Promise<void>;
  /** Told of rows deleted. */
  readonly onRows?: (count: number) => void;
}

export interface ShedOutcome {
  /** What it holds from now on; none: it is retired. */
  readonly targets: readonly Target[];
  /** In the schemas that stay. */
  readonly deletedRows: number;
}

/**
 * After a switch that is final, the generation that served stops projecting what others serve now, and drops it: a rollback
 * of these slots needs a re-partition from then on. Slots between two that it still serves stay, since a target holds one
 * range. First nothing can be switched to what goes, then the lanes let go of it, then the rows are deleted and their disk is
 * given back; killed anywhere, the same call goes on. Throws {@link SwitchRefused} when the tenant is served by its slots, or the generation is unknown.
 */
export async function shedMoved(options: ShedOptions): Promise<ShedOutcome> {
  const { control, urls, tier, generation } = options;
  const { kept, gone } = await narrowed(options);
  if (kept.length === 0) {
    await retireGeneration(control, urls, tier.tier, generation);
    return { targets: [], deletedRows: 0 };
  }
  for (const target of gone) await dropTarget(control, urls, target);
  let deletedRows = 0;
  for (const target of kept) deletedRows += await conform(options, target);
  return { targets: kept, deletedRows };
}

interface Narrowed {
  readonly kept: readonly Target[];
  /** Targets that hold nothing any more. */
  readonly gone: readonly Target[];
}

/** Writes down what each target keeps, while no pointer can move. */
async function narrowed({ control, tier, generation, tenantId }: ShedOptions): Promise<Narrowed> {
  await generationNamed(control, tier.tier, generation);
  return inTransaction(control, async (client) => {
    await client.query('lock table pointers, tenant_pointers in share row exclusive mode');
    const placement = await readPlacement(client, tier.tier);
    const targets = placement.targets.filter((target) => target.generation === generation);
    const kept: Target[] = [];
    const gone: Target[] = [];
    for (const target of targets) {
      const next =
        tenantId === undefined ? withoutSlots(placement, target) : withoutTenant(placement, target, tenantId);
      if (next === null) gone.push(target);
      else {
        kept.push(next);
        await writeDown(client, next);
      }
    }
    return { kept, gone };
  });
}

/** From the first slot that it serves to the last one; null: it serves none. */
function withoutSlots({ pointers, tenantPointers }: Placement, target: Target): Target | null {
  const { generation, slots, tenantId } = target;
  const pinned = tenantPointers.filter((pointer) => pointer.generation === generation);
  if (pinned.some((pointer) => coversTenant(target, pointer.tenantId))) return target;
  if (tenantId !== null) return null;
  const served = pointers.flatMap((pointer) => {
    const common = pointer.generation === generation ? overlap(pointer.slots, slots) : null;
    return common === null ? [] : [common];
  });
  const [first, last] = [served[0], served.at(-1)];
  return first === undefined || last === undefined
    ? null
    : { ...target, slots: { from: first.from, to: last.to } };
}

function withoutTenant({ tenantPointers }: Placement, target: Target, tenantId: string): Target {
  const pointer = tenantPointers.find((known) => known.tenantId === tenantId);
  const server = pointer?.generation ?? null;
  if (server === null || server === target.generation)
    throw new SwitchRefused(
      `generation ${target.generation} of ${target.tier} serves the tenant ${tenantId}`,
    );
  if (target.tenantId !== null || target.except.includes(tenantId)) return target;
  return { ...target, except: [...target.except, tenantId] };
}

async function writeDown(
  client: ClientBase,
  { tier, generation, shard, slots, except }: Target,
): Promise<void> {
  await client.query(
    `update generation_targets set slot_from = $4, slot_to = $5, except_tenants = $6
     where tier = $1 and generation = $2 and shard = $3`,
    [tier, generation, shard, slots.from, slots.to, except],
  );
}

async function dropTarget(control: Pool, urls: DatabaseUrls, target: Target): Promise<void> {
  const { tier, generation, shard } = target;
  await dropSchemas(urls, [target]);
  await control.query('delete from generation_targets where tier = $1 and generation = $2 and shard = $3', [
    ...[tier, generation, shard],
  ]);
}

/** Lanes, rows and disk of the target become what it is to hold. Resolves to the number of rows deleted. */
async function conform(options: ShedOptions, target: Target): Promise<number> {
  const { urls, tier, store, signal, pace, onRows } = options;
  const coverage = coverageOf(target);
  const owner = loaderPool(urlNamed(urls, target.databaseRef), 3);
  try {
    await changeLanes({
      ...{ owner, schema: target.schema, store, signal, ...(pace ? { pace } : {}) },
      change: (lane) => within(coverage, lane),
    });
    const tables = tablesOf(tier).map(({ name }) => name);
    const work = { owner, schema: target.schema, signal, ...(pace ? { pace } : {}) };
    const deleted = await deleteRows({
      ...{ ...work, tables: [...tables, 'parked_sequences'], ...(onRows ? { onRows } : {}) },
      where: notCovered(coverage),
    });
    await compactTables({ ...work, tables });
    return deleted;
  } finally {
    await owner.end();
  }
}

/** The part of a lane that the target keeps. */
function within(target: Coverage, lane: Coverage): Coverage | null {
  const slots: SlotRange | null = overlap(target.slots, lane.slots);
  if (slots === null || (lane.tenantId !== null && !coversTenant(target, lane.tenantId))) return null;
  return { ...lane, slots, except: lane.tenantId === null ? target.except : lane.except };
}

function notCovered({ slots, except }: Coverage): string {
  const ofTenants = except.map((tenantId) => `'${tenantId}'::uuid`).join(', ');
  const outside = `slot not between ${slots.from} and ${slots.to}`;
  return except.length === 0 ? `(${outside})` : `(${outside} or tenant_id in (${ofTenants}))`;
}
