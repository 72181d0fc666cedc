import type { ProjectionTier } from '../../../../projections/tier';
import { cutOver } from '../../../shared/generations/cut-over';
import { listGenerations, retireGeneration, type Generation } from '../../../shared/generations/generations';
import { refillTenant, returnTenant, type TenantOptions } from '../../../shared/generations/pin';
import { readPlacement, type Placement, type Target } from '../../../shared/generations/placement';
import { shedMoved } from '../../../shared/generations/shed';
import { servedParts } from '../layout';
import { refuseIllegal, RunRefused } from '../run-states';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import type { CutOverOptions } from './cut-over-run';
import { followLog, type FillWork } from './follow-log';
import { refuseUnproven } from './proof';
import { pinnedGeneration, plannedReturn, returnOf, type TenantReturn } from './returned-tenant';
import { closeSuperseded, discardWith, type Retired } from './retire-run';

/** Brings the rows to the targets that serve the tenant's slots, which keep them up to date from then on. */
export async function fillReturn(workplace: Workplace, run: Run, work: FillWork): Promise<void> {
  const { tier, tenantId } = await returnOf(workplace, run);
  const targets = await refillTenant({
    ...optionsOf(workplace, { tier, tenantId }, work.signal),
    pace: () => work.pace.wait(),
  });
  const leader = servedParts(await readPlacement(workplace.control, tier.tier), tenantId);
  await followLog(workplace, tier.tier, { follower: targets, leader }, work);
}

/** As for any run, but whole: a tenant has no part that could be tried first. */
export async function cutOverReturn(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  { force, canary, slots, tenantId: asked, signal }: CutOverOptions,
): Promise<Run> {
  const { tier, tenantId, pinnedTo } = plannedReturn(run);
  const placement = await readPlacement(workplace.control, tier.tier);
  if (run.state === 'serving' && pinnedGeneration(placement, tenantId) === null) return run;
  const step = force === undefined ? 'cutOver' : 'cutOverByForce';
  refuseIllegal(step, run.run, run.state);
  if (canary === true || slots !== undefined || (asked !== undefined && asked !== tenantId))
    throw new RunRefused(`run ${run.run} returns tenant ${tenantId} as a whole, all slots at once`, run.run, [
      'cutover',
    ]);
  // Shadow reads cannot be made (prove.ts): the rows themselves are held against each other, all of them.
  if (force === undefined)
    refuseUnproven(workplace, run, servingBySlots(placement), { withoutShadowReads: true });
  await returnTenant(optionsOf(workplace, { tier, tenantId }, signal));
  const detail = {
    ...{ tier: tier.tier, moves: [{ tenantId, to: null }] },
    ...(force === undefined ? {} : { forced: force.reason }),
  };
  try {
    return await runs.step(run.run, step, 'serving', {}, detail);
  } catch (error) {
    // Rolled back while it was switched.
    if (error instanceof RunRefused) await pinAgain(workplace, { tier, tenantId, pinnedTo }, signal);
    throw error;
  }
}

/** Lets the generation that the tenant was pinned to serve it again, as long as that is not retired. */
export async function rollBackReturn(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  { signal }: { readonly signal: AbortSignal },
): Promise<Run> {
  // First the word, then the deed: a cut-over that is under way sees it and gives way.
  const rolledBack =
    run.state === 'rolled-back'
      ? await runs.read(run.run)
      : await runs.step(run.run, 'rollBack', 'rolled-back');
  await pinAgain(workplace, plannedReturn(run), signal);
  return rolledBack;
}

/** Drops the generation that the tenant was pinned to, if it holds nobody else and serves nothing. */
export async function retireReturn(
  workplace: Workplace,
  runs: Runs,
  run: Run,
): Promise<{ run: Run; retired: Retired[] }> {
  if (run.state === 'done') return { run, retired: [] };
  refuseIllegal('retire', run.run, run.state);
  const { tier, tenantId, pinnedTo } = plannedReturn(run);
  const pinned = await generationThatIs(workplace, tier, pinnedTo);
  const retired: Retired[] = [];
  if (pinned !== null && !pinned.isLive && pinned.targets.every((target) => target.tenantId === tenantId)) {
    await retireGeneration(workplace.control, workplace.urls, tier.tier, pinnedTo);
    retired.push({ tier: tier.tier, generation: pinnedTo, keeps: [] });
    if (pinned.run !== null) await closeSuperseded(runs, pinned.run, run.run);
  }
  return { run: await runs.step(run.run, 'retire', 'done', {}, { retired }), retired };
}

/**
 * Drops the rows that were brought back, where the targets had given the tenant up before. Where they had not, the rows are
 * the way back of the run that has pinned it, and stay.
 */
export async function discardReturn(
  workplace: Workplace,
  runs: Runs,
  run: Run,
): Promise<{ run: Run; dropped: Retired[] }> {
  return discardWith(workplace, runs, run, async (lock) => {
    const { tier, tenantId, pinnedTo } = plannedReturn(run);
    const placement = await readPlacement(workplace.control, tier.tier);
    const isOurs = pinnedGeneration(placement, tenantId) === pinnedTo;
    const dropped: Retired[] = [];
    for (const { generation } of isOurs ? servingBySlots(placement) : []) {
      const targets = placement.targets.filter((target) => target.generation === generation);
      if (!(await hadGivenUp(workplace, runs, { tier, tenantId, pinnedTo }, targets))) continue;
      const shed = await shedMoved({ ...optionsOf(workplace, { tier, tenantId }, lock.lost), generation });
      dropped.push({ tier: tier.tier, generation, keeps: shed.targets.map(({ schema }) => schema) });
    }
    return dropped;
  });
}

/** A run that pinned a tenant is done only once it has had the tenant given up. */
async function hadGivenUp(
  workplace: Workplace,
  runs: Runs,
  { tier, tenantId, pinnedTo }: TenantReturn,
  targets: readonly Target[],
): Promise<boolean> {
  if (targets.some(({ except }) => except.includes(tenantId))) return true;
  const pinnedBy = (await generationThatIs(workplace, tier, pinnedTo))?.run ?? null;
  return pinnedBy !== null && (await runs.read(pinnedBy)).state === 'done';
}

async function pinAgain(
  { control, urls }: Workplace,
  { tier, tenantId, pinnedTo }: TenantReturn,
  signal: AbortSignal,
): Promise<void> {
  if (pinnedGeneration(await readPlacement(control, tier.tier), tenantId) === pinnedTo) return;
  await cutOver({ control, urls, tier: tier.tier, moves: [{ tenantId, to: pinnedTo }], signal });
}

async function generationThatIs(
  { control }: Workplace,
  { tier }: ProjectionTier,
  generation: number,
): Promise<Generation | null> {
  const known = (await listGenerations(control, tier)).find((each) => each.generation === generation);
  return known === undefined || known.state === 'retired' ? null : known;
}

/** What serves tenants that are not pinned. */
function servingBySlots({ tier, pointers }: Placement): Pick<Generation, 'tier' | 'generation'>[] {
  return [...new Set(pointers.map(({ generation }) => generation))].map((generation) => ({
    tier,
    generation,
  }));
}

function optionsOf(
  workplace: Workplace,
  { tier, tenantId }: Pick<TenantReturn, 'tier' | 'tenantId'>,
  signal: AbortSignal,
): TenantOptions {
  const { control, urls } = workplace;
  return { control, urls, tier, tenantId, store: workplace.store(), signal };
}
