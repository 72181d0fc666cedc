import { startHelper } from '../harness/helper-process';
import type { RowContext, Side } from '../harness/row';
import { naiveLoadFile, type NaiveLoad, type NaiveResult } from '../load/naive-load';
import type { NewGenerations, RebuildBed } from './rebuild-bed';
import { differencesOf } from './rebuild-side';

/** As much of the log as it gets through in the time of a round; then the live lanes tell what the rows must be by there. */
export function naiveSide(context: RowContext, bed: RebuildBed): Side {
  const loader = startHelper<NaiveLoad>(naiveLoadFile, context.signal);
  context.onClose(() => loader.stop());
  let generations: NewGenerations | undefined;
  let reference: NewGenerations | undefined;
  let result: NaiveResult | undefined;
  return {
    name: 'upserts per event',
    prepare: async () => {
      generations = await bed.newGenerations();
      await bed.checkpoint();
    },
    run: async ({ warmUpMs, durationMs }) => {
      const { tiers = [] } = generations ?? {};
      result = await loader.call('run', { log: bed.log, tiers, window: { warmUpMs, durationMs } });
      return { value: result.eventsPerSecond, eventCount: result.events };
    },
    check: async () => {
      if (result === undefined) return ['nothing was loaded'];
      reference = await bed.replayed(result.position);
      const expected = await bed.digests(reference.tiers);
      return differencesOf(expected, await bed.digests(generations?.tiers ?? []));
    },
    close: async () => {
      if (context.signal.aborted) return;
      await generations?.drop();
      await reference?.drop();
      reference = undefined;
    },
    processes: () => [{ name: 'naive', pid: loader.pid }, ...bed.processes],
  };
}
