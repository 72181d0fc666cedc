import type { SlotRange } from '../../../shared/generations/coverage';
import { readPlacement } from '../../../shared/generations/placement';
import { layoutOf } from '../layout';
import { rangesOf, type RangeSpec } from '../run-spec';
import { isFillable, RunRefused, type RunState } from '../run-states';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { attendedRun, type FillOptions } from './attended-run';
import { cutOverRun } from './cut-over-run';
import { fillRun } from './fill-run';
import type { FillWork } from './follow-log';
import { verifyRun } from './proof';
import { discardRun, discardWith, retireRun, type Retired } from './retire-run';

/** One range of a rolling rebuild. */
export interface RangeView {
  readonly slots: SlotRange;
  /** The run that rebuilds it, and how far that is; null: it has not begun. */
  readonly run: number | null;
  readonly state: RunState | null;
}

/**
 * Rebuilds a tier range by range: each is filled, proved, lets queries read it, and what served it gives it up before the next
 * one begins, so that no more than one range is ever held twice. Every range is a run of its own; this one goes on with
 * whichever is not done, from wherever that stands. Stops at the first that is refuted, which leaves serving what has served.
 * Throws as {@link attendedRun} does.
 */
export async function rollRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  options: FillOptions,
): Promise<Run> {
  return attendedRun(workplace, runs, run, options, async (started, work) => {
    const ranges = rangesOf(started.run, started.spec) ?? [];
    for (const spec of ranges) {
      let part = await partFor(workplace, runs, spec);
      while (part.state !== 'done')
        part = await advance(workplace, runs, { run: started, part }, work, options);
    }
    await work.pace.wait();
    return { step: 'finish', detail: { ranges: (await rangeViews(runs, started)) ?? [] } };
  });
}

/** The ranges of a rolling rebuild in their order; null for a run of another kind. */
export async function rangeViews(runs: Runs, { run, spec }: Run): Promise<RangeView[] | null> {
  const ranges = rangesOf(run, spec);
  if (ranges === null) return null;
  const parts = await runs.partsOf(run);
  return ranges.map(({ slots, partOf }) => {
    const part = parts.get(partOf.range);
    return { slots, run: part?.run ?? null, state: part?.state ?? null };
  });
}

/**
 * Ends a rolling rebuild: the range that was begun is dropped, ranges that are done go on serving. Repeatable. Throws
 * {@link RunRefused} while the range that was begun serves in part.
 */
export async function discardRolling(
  workplace: Workplace,
  runs: Runs,
  run: Run,
): Promise<{ run: Run; dropped: Retired[] }> {
  for (const { run: part, state } of (await runs.partsOf(run.run)).values())
    if (state === 'serving' || state === 'partial')
      throw new RunRefused(`a range of run ${run.run} serves, and what served before is kept`, part, [
        'rollback',
        'retire',
      ]);
  return discardWith(workplace, runs, run, async () => {
    const dropped: Retired[] = [];
    for (const part of (await runs.partsOf(run.run)).values())
      if (part.state !== 'done') dropped.push(...(await discardRun(workplace, runs, part)).dropped);
    return dropped;
  });
}

async function partFor(workplace: Workplace, runs: Runs, spec: RangeSpec): Promise<Run> {
  const begun = (await runs.partsOf(spec.partOf.run)).get(spec.partOf.range);
  if (begun !== undefined) return begun;
  const tiers = await Promise.all(
    spec.tiers.map(async (tier) => ({
      tier,
      ...layoutOf(spec, await readPlacement(workplace.control, tier)),
    })),
  );
  const plan = { tiers, lanes: workplace.lanes, source: 'replay', estimate: null } as const;
  return runs.create(spec, plan, workplace.codeVersion);
}

/** One step of the range's own run. Throws {@link RunRefused} when it is refuted. */
async function advance(
  workplace: Workplace,
  runs: Runs,
  { run, part }: { readonly run: Run; readonly part: Run },
  { pace, attendance, signal }: FillWork,
  { withoutShadowReads = false, onNotice }: FillOptions,
): Promise<Run> {
  await pace.wait();
  signal.throwIfAborted();
  const name = rangeName(part);
  const tell = (phase: string, done: number, total: number): void =>
    attendance.tell({ phase: `${name} ${phase}`, done, total, what: 'steps', events: 0 });
  if (isFillable(part.state))
    return fillRun(workplace, runs, part, {
      signal,
      outerPace: () => pace.wait(),
      onProgress: ({ phase, done, total, what, events }) =>
        attendance.tell({ phase: `${name} ${phase}`, done, total, what, events }),
    });
  if (part.state === 'verified' || part.state === 'partial') {
    tell('cutover', 0, 1);
    return cutOverRun(workplace, runs, part, { withoutShadowReads, signal });
  }
  if (part.state === 'serving') {
    tell('retire', 0, 1);
    const retired = await retireRun(workplace, runs, part, signal);
    onNotice?.(`${name} (run ${part.run}) serves; what served it before has given it up.`);
    return retired.run;
  }
  const { run: verified } = await verifyRun(workplace, runs, part, {
    signal,
    onProgress: ({ phase, done, total }) => tell(`verify ${phase}`, done, total),
  });
  if (verified.state === 'verified') return verified;
  throw new RunRefused(
    `${name} (run ${part.run}) is refuted: ${verified.failure ?? 'a gate does not hold'}; nothing of it serves`,
    run.run,
    ['status', 'resume', 'discard'],
  );
}

function rangeName({ spec }: Run): string {
  const { partOf } = spec as RangeSpec;
  return `range ${partOf.range}/${partOf.of}`;
}
