import { startHelper, type Helper } from '../harness/helper-process';
import type { Measurement, RowContext, Side } from '../harness/row';
import {
  rebuildLoadFile,
  type RebuildLoad,
  type RebuildRequest,
  type RebuildResult,
} from '../load/rebuild-load';
import type { NewGenerations, RebuildBed, TierDigests } from './rebuild-bed';
import { differences } from '../../test/support/tier-rows';

/** An hour: a rebuild of millions of events is one call. */
export const rebuildTimeoutMs = 3_600_000;

export interface RebuiltPart {
  readonly name: string;
  /** Default: the end of the log. */
  readonly fence?: bigint;
  /** One tenant instead of all. */
  readonly tenantId?: string;
  /** Only what follows the scan is measured: its spool and its written-once rows are there before. */
  readonly isScannedBefore?: true;
  /** What the rows must be; without it they must be the same in all rounds. */
  readonly expected?: TierDigests;
  /** Of what one rebuild took. */
  readonly measured: (rebuilt: RebuildResult & { readonly wholeSeconds: number }) => number;
  /** More that a round can get wrong. */
  readonly violations?: (rebuilt: RebuildResult) => readonly string[];
}

/**
 * All tiers into new generations by the bulk load, in a process of its own for each round, then switched to; afterwards the
 * rows are held against the expected ones.
 */
export function rebuildSide(context: RowContext, bed: RebuildBed, part: RebuiltPart): Side {
  let generations: NewGenerations | undefined;
  let tool: Helper<RebuildLoad> | undefined;
  let rebuilt: RebuildResult | undefined;
  let { expected } = part;
  const { name, fence = bed.filled.head, tenantId } = part;
  const requestFor = ({ tiers }: NewGenerations): RebuildRequest => ({
    ...{ log: bed.log, tiers, fence, spoolFolder: bed.spoolFolder },
    ...(tenantId === undefined ? {} : { only: { tenantId } }),
  });
  return {
    name,
    prepare: async () => {
      generations = await bed.newGenerations(tenantId);
      if (part.isScannedBefore) await scan(context, requestFor(generations));
      tool = startHelper<RebuildLoad>(rebuildLoadFile, context.signal);
      await tool.loaded;
      await bed.checkpoint();
    },
    run: async (): Promise<Measurement> => {
      if (tool === undefined || generations === undefined) throw new Error('nothing is prepared');
      const startedAt = performance.now();
      rebuilt = await tool.call('rebuild', requestFor(generations), rebuildTimeoutMs);
      await generations.switchTo();
      const wholeSeconds = (performance.now() - startedAt) / 1_000;
      context.notice(describe(name, rebuilt));
      return { value: part.measured({ ...rebuilt, wholeSeconds }), eventCount: rebuilt.events };
    },
    check: async () => {
      if (rebuilt === undefined || generations === undefined) return ['nothing was rebuilt'];
      const found = await bed.digests(generations.tiers);
      expected ??= found;
      return [...differencesOf(expected, found), ...(part.violations?.(rebuilt) ?? [])];
    },
    close: async () => {
      await tool?.stop();
      if (!context.signal.aborted) await generations?.drop();
    },
    processes: () => [{ name: 'rebuild', pid: tool?.pid ?? 0 }, ...bed.processes],
  };
}

/** In a process of its own, so that the one that is measured has not run before. */
async function scan(context: RowContext, request: RebuildRequest): Promise<void> {
  const tool = startHelper<RebuildLoad>(rebuildLoadFile, context.signal);
  try {
    await tool.call('scan', request, rebuildTimeoutMs);
  } finally {
    await tool.stop();
  }
}

export function differencesOf(expected: TierDigests, found: TierDigests): string[] {
  return Object.entries(expected).flatMap(([tier, digests]) => differences(tier, digests, found[tier] ?? []));
}

function describe(name: string, { seconds, phaseSeconds, events, rows, peakBytes }: RebuildResult): string {
  const phases = Object.entries(phaseSeconds).map(([phase, each]) => `${phase} ${each.toFixed(2)} s`);
  const memory = `${Math.round(peakBytes / 1e6)} MB at most`;
  return `${name}: ${events} events into ${rows} rows in ${seconds.toFixed(2)} s (${phases.join(', ')}), ${memory}`;
}
