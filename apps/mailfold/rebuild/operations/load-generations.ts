import { projectionTier } from '../../../../projections/tiers';
import type { Generation } from '../../../shared/generations/generations';
import { createMailParser, replayParseTimeoutMs } from '../../../shared/mail/mail-parser';
import { replay } from '../../../shared/projecting/replay';
import type { Run } from '../runs';
import type { Workplace } from '../workplace';
import type { PhaseFigures } from './attendance';
import { progressOf } from '../generation-progress';

export interface LoadHooks {
  readonly signal: AbortSignal;
  readonly pace: () => Promise<void>;
  readonly tell: (figures: PhaseFigures) => void;
  readonly onNotice: (text: string) => void;
}

/** Fills the generations of a run from the log up to the run's fence. False: aborted on the way, and may be called again. */
export async function loadGenerations(
  workplace: Workplace,
  { fence }: Run,
  generations: readonly Generation[],
  hooks: LoadHooks,
): Promise<boolean> {
  if (fence === null) return true;
  for (const generation of generations)
    for (const target of generation.targets) {
      const tier = projectionTier(generation.tier);
      if (tier === undefined) throw new Error(`${generation.tier} is no tier`);
      const parser = tier.withContent
        ? createMailParser({ threads: 2, timeoutMs: replayParseTimeoutMs })
        : null;
      const from = (await progressOf(workplace, [target])).position ?? 0n;
      try {
        const { isComplete } = await replay({
          ...{ store: workplace.store(), tier, parser, until: fence, signal: hooks.signal },
          pool: workplace.pool(target.databaseRef, 'mailfold_projector'),
          generation: generation.generation,
          schema: target.schema,
          onProgress: ({ position, events }) =>
            hooks.tell({
              phase: `replay ${generation.tier} ${target.schema}`,
              done: Number(position - from),
              total: Number(fence - from),
              what: 'positions',
              events,
            }),
        });
        if (!isComplete) return false;
      } finally {
        await parser?.close();
      }
    }
  return true;
}
