import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHelper } from '../harness/helper-process';
import type { RowContext, Side } from '../harness/row';
import { copyLoadFile, type CopyLoad } from '../load/copy-load';
import type { NewGenerations, RebuildBed, TierDigests } from './rebuild-bed';
import { differencesOf, rebuildTimeoutMs } from './rebuild-side';

/**
 * The rows of `reference`, formatted before, into the same tables: events/s as if each row cost nothing to make. `folded`:
 * those of written-once tables are there already, as they are when a rebuild has read the log.
 */
export async function copySide(
  context: RowContext,
  bed: RebuildBed,
  {
    reference,
    expected,
    tables,
  }: { reference: NewGenerations; expected: TierDigests; tables: 'folded' | 'all' },
): Promise<Side> {
  const folder = await mkdtemp(join(tmpdir(), 'mailfold-bench-copy-'));
  context.onClose(() => rm(folder, { recursive: true, force: true }));
  const loader = startHelper<CopyLoad>(copyLoadFile, context.signal);
  context.onClose(() => loader.stop());
  await loader.call('dump', { folder, tiers: reference.tiers }, rebuildTimeoutMs);
  let generations: NewGenerations | undefined;
  return {
    name: tables === 'all' ? 'COPY of formatted rows' : 'COPY of the folded rows, formatted',
    prepare: async () => {
      generations = await bed.newGenerations();
      if (tables === 'folded')
        await loader.call('copy', { tiers: generations.tiers, tables: 'written once' }, rebuildTimeoutMs);
      await bed.checkpoint();
    },
    run: async () => {
      const { tiers = [] } = generations ?? {};
      const seconds = await loader.call('load', { tiers, tables }, rebuildTimeoutMs);
      const { events } = bed.filled;
      return { value: events / seconds, eventCount: events };
    },
    check: async () => differencesOf(expected, await bed.digests(generations?.tiers ?? [])),
    close: async () => {
      if (!context.signal.aborted) await generations?.drop();
    },
    processes: () => [{ name: 'copy', pid: loader.pid }, ...bed.processes],
  };
}
