import type { Pool } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore } from '../event-store/event-store';
import { copyTenant } from '../rebuilding/copy/copy-tenant';
import { lanesOf } from '../rebuilding/load/finish-target';
import { loaderPool } from '../rebuilding/load/loader-pool';
import { changeLanes } from './change-lanes';
import { coversTenant, overlap } from './coverage';
import { cutOver } from './cut-over';
import { urlNamed, type DatabaseUrls } from './generations';
import { coverageOf, readPlacement, SwitchRefused, type Placement, type Target } from './placement';

// A tenant is pinned like any other part of a tier: a generation with one target of that tenant, filled from the log or by
// copy, and a switch of the tenant (cutOver). shedMoved() then lets the others' target give the tenant up. What is here is
// the way back to the slots.

export interface TenantOptions {
  readonly control: Pool;
  readonly urls: DatabaseUrls;
  readonly tier: ProjectionTier;
  readonly tenantId: string;
  readonly store: Pick<EventStore, 'readRecords'>;
  readonly signal: AbortSignal;
  /** Awaited between batches: to throttle or to pause. */
  readonly pace?: () => Promise<void>;
}

/**
 * Brings the rows of a pinned tenant back into the targets that serve its slots, where those have given it up: by copy, with a
 * lane of its own that keeps them at the end of the log. Nobody reads them yet, so that they can be proved first. Repeatable;
 * does nothing where the targets have never given it up. Resolves to the targets that hold the tenant now, besides its own.
 * Throws {@link SwitchRefused} when the tenant is served by its slots.
 */
export async function refillTenant(options: TenantOptions): Promise<readonly Target[]> {
  const { control, urls, tier, tenantId, store, signal, pace } = options;
  const placement = await readPlacement(control, tier.tier);
  const server = pinnedTo(placement, tenantId);
  if (server === null) throw new SwitchRefused(`${tier.tier} serves the tenant ${tenantId} by its slots`);
  const sources = placement.targets
    .filter((target) => target.generation === server && coversTenant(target, tenantId))
    .map((target) => ({
      ...{ databaseUrl: urlNamed(urls, target.databaseRef), schema: target.schema },
      coverage: coverageOf(target),
    }));
  const targets = bySlots(placement);
  for (const { databaseRef, schema, slots, except } of targets) {
    if (!except.includes(tenantId)) continue;
    const into = { databaseUrl: urlNamed(urls, databaseRef), schema, slots };
    await copyTenant({ tier, tenantId, sources, into, store, signal, ...(pace ? { pace } : {}) });
  }
  return targets;
}

/**
 * Serves a pinned tenant by its slots again and lets the lanes of these take it in, at one position of the log each. The
 * generation it was pinned to is then as good as any that serves nothing: the way back until it is retired. Killed anywhere,
 * the same call goes on. Throws {@link SwitchRefused} where {@link refillTenant} has yet to bring the rows back.
 */
export async function returnTenant(options: TenantOptions): Promise<void> {
  const { control, urls, tier, tenantId, store, signal, pace } = options;
  const targets = bySlots(await readPlacement(control, tier.tier));
  for (const target of targets) await allowServing(options, target);
  const placement = await readPlacement(control, tier.tier);
  if (pinnedTo(placement, tenantId) !== null)
    await cutOver({ control, urls, tier: tier.tier, moves: [{ tenantId, to: null }], signal });
  for (const { databaseRef, schema } of targets)
    await withOwner(urlNamed(urls, databaseRef), (owner) =>
      changeLanes({
        ...{ owner, schema, store, signal, ...(pace ? { pace } : {}) },
        change: (lane) =>
          lane.tenantId === tenantId
            ? null
            : { ...lane, except: lane.except.filter((given) => given !== tenantId) },
      }),
    );
}

/** Takes the tenant off those that a target has given up, once its rows are there. */
async function allowServing({ control, urls, tenantId }: TenantOptions, target: Target): Promise<void> {
  const { tier, generation, shard, databaseRef, schema, except } = target;
  if (!except.includes(tenantId)) return;
  await withOwner(urlNamed(urls, databaseRef), async (owner) => {
    const own = (await lanesOf(owner, schema)).find(({ coverage }) => coverage.tenantId === tenantId);
    if (own === undefined)
      throw new SwitchRefused(
        `${schema} of ${tier} has given up the tenant ${tenantId}; its rows are to be brought back first`,
      );
    const { rows } = await owner.query<{ parked: string }>(
      `select parked_sequences as parked from ${schema}.checkpoints where lane = $1`,
      [own.lane],
    );
    // What one lane alone has stopped would go on when others take its rows over.
    if (rows[0]?.parked !== '0')
      throw new SwitchRefused(`events of the tenant ${tenantId} are parked; requeue them first`);
  });
  await control.query(
    `update generation_targets set except_tenants = array_remove(except_tenants, $4)
     where tier = $1 and generation = $2 and shard = $3`,
    [tier, generation, shard, tenantId],
  );
}

function pinnedTo({ tenantPointers }: Placement, tenantId: string): number | null {
  return tenantPointers.find((pointer) => pointer.tenantId === tenantId)?.generation ?? null;
}

/** What serves tenants that are not pinned. */
function bySlots({ pointers, targets }: Placement): Target[] {
  return targets.filter(
    (target) =>
      target.tenantId === null &&
      pointers.some(
        ({ slots, generation }) => generation === target.generation && overlap(slots, target.slots) !== null,
      ),
  );
}

async function withOwner(url: string, work: (owner: Pool) => Promise<void>): Promise<void> {
  const owner = loaderPool(url, 3);
  try {
    await work(owner);
  } finally {
    await owner.end();
  }
}
