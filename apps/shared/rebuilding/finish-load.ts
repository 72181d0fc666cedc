import { addDigests, digestFromHex, emptyDigest } from '../log-ledger/id-digest';
import type { BulkLoadOptions, LaneTally, LoadOutcome } from './contracts';
import { finishTarget } from './load/finish-target';
import { identityOf, type Run } from './run-manifest';
import { lastEvent } from './scan/last-event';
import type { ReaderConnections } from './scan/reader-connections';
import type { RangeSummary } from './scan/scan-plan';
import type { StoppedTier } from './scan/stopped-sequences';
import { markFinished, type OpenTarget, type TargetPools } from './target-pools';

export interface LoadToFinish {
  readonly options: BulkLoadOptions;
  readonly run: Run;
  readonly summaries: readonly RangeSummary[];
  /** By the tier's place in the run. */
  readonly stopped: readonly StoppedTier[];
  readonly targets: TargetPools;
  readonly log: ReaderConnections['store'];
}

/** Sets the lanes of all targets to where the load has come, and marks it as finished. Repeatable. */
export async function finishLoad(load: LoadToFinish): Promise<void> {
  const { options, run, summaries, stopped, targets } = load;
  const checkpoint = await checkpointOf(load);
  await targets.each(async (target) => {
    const { pool, schema, place } = target;
    await finishTarget(pool, schema, {
      checkpoint,
      tallies: talliesOf(run, summaries, target),
      stopped: stopped[place.tier]?.stopped ?? [],
      parked: stopped[place.tier]?.parked ?? [],
    });
  });
  // Only now: a load is finished in all targets or in none.
  const identity = identityOf(options);
  await targets.each((target) => markFinished(target, identity));
}

/** The last event up to the fence that a lane would have taken in. */
async function checkpointOf({ options, summaries, log }: LoadToFinish): Promise<LoadOutcome['checkpoint']> {
  // What was read is one tenant's; a checkpoint is a place in the whole log.
  if (options.only !== undefined) return lastEvent(log, options.fence);
  const { last = null } = summaries.findLast((summary) => summary.last !== null) ?? {};
  return last === null ? null : { position: BigInt(last.position), eventId: last.eventId };
}

function talliesOf(run: Run, summaries: readonly RangeSummary[], { place }: OpenTarget): LaneTally[] {
  return run.lanes.flatMap(({ tier, target, coverage }, lane) => {
    if (tier !== place.tier || target !== place.target) return [];
    let events = 0;
    let digest = emptyDigest;
    for (const { lanes } of summaries) {
      events += lanes[lane]?.events ?? 0;
      digest = addDigests(digest, digestFromHex(lanes[lane]?.digest ?? '0'.repeat(32)));
    }
    return [{ coverage, events, digest }];
  });
}
