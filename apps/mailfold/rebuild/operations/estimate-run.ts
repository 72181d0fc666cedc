import { rm } from 'node:fs/promises';
import { overlap } from '../../../shared/generations/coverage';
import { urlNamed } from '../../../shared/generations/generations';
import { estimate, type Estimate, type EstimateOptions } from '../../../shared/rebuilding/estimate/estimate';
import { lockEstimate } from '../run-lock';
import { rangesOf, refoldedConversation, type RunSpec } from '../run-spec';
import type { RunPlan } from '../runs';
import type { Workplace } from '../workplace';

export type EstimateHooks = Pick<EstimateOptions, 'signal' | 'onProgress'>;

/**
 * The dry run of what {@link fillRun} would do up to the present end of the log; of a rolling rebuild, for its first range. Null for copies, which no sample of the log
 * can tell of, for a conversation, and for an empty log. Throws RunRefused at once while another estimate is under way, and the reason of an abort.
 */
export async function estimateRun(
  workplace: Workplace,
  spec: RunSpec,
  { tiers, source }: Pick<RunPlan, 'tiers' | 'source'>,
  { signal, onProgress }: EstimateHooks,
): Promise<Estimate | null> {
  if (source === 'copy' || refoldedConversation(spec) !== null) return null;
  const asOf = spec.kind === 'rebuild' ? spec.asOf : undefined;
  const fence = asOf === undefined ? await workplace.store().head() : BigInt(asOf.position);
  if (fence === null) return null;
  const [first] = rangesOf(0, spec) ?? [];
  const lock = await lockEstimate(workplace.controlUrl, workplace.owner);
  try {
    // Left by one that was killed: nobody else is at work.
    await rm(workplace.estimateFolder, { recursive: true, force: true });
    return await estimate({
      log: { ...workplace.log(), controlDatabaseUrl: workplace.controlUrl },
      tiers: tiers.map(({ tier, targets }) => ({
        tier,
        targets: targets
          .filter(({ coverage }) => first === undefined || overlap(coverage.slots, first.slots) !== null)
          .map(({ databaseRef, coverage }) => ({
            databaseUrl: urlNamed(workplace.urls, databaseRef),
            coverage: { except: [], ...coverage },
          })),
      })),
      ...{ fence, signal, codeVersion: workplace.codeVersion, spoolFolder: workplace.estimateFolder },
      ...(spec.tenantId === undefined ? {} : { only: { tenantId: spec.tenantId } }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
  } finally {
    await lock.release();
  }
}
