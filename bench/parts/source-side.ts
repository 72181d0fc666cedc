import { startHelper, type Helper } from '../harness/helper-process';
import type { RowContext, Side } from '../harness/row';
import { sourceLoadFile, type SourceLoad, type SourceRead } from '../load/source-load';
import type { RebuildBed } from './rebuild-bed';
import { rebuildTimeoutMs } from './rebuild-side';

/** The whole log by the reader of rebuilds, decoded, with content, and nothing else. */
export function sourceSide(context: RowContext, bed: RebuildBed): Side {
  let tool: Helper<SourceLoad> | undefined;
  let read: SourceRead | undefined;
  return {
    name: 'the reader alone',
    // A process of its own for each round, as a rebuild is one.
    prepare: async () => {
      tool = startHelper<SourceLoad>(sourceLoadFile, context.signal);
      await tool.loaded;
      await bed.checkpoint();
    },
    run: async () => {
      if (tool === undefined) throw new Error('nothing is prepared');
      read = await tool.call('read', { log: bed.log, fence: bed.filled.head }, rebuildTimeoutMs);
      return { value: read.events / read.seconds, eventCount: read.events };
    },
    check: async () =>
      read?.events === bed.filled.events
        ? []
        : [`${read?.events ?? 0} of ${bed.filled.events} events were read`],
    close: async () => {
      await tool?.stop();
    },
    processes: () => [{ name: 'reader', pid: tool?.pid ?? 0 }, ...bed.processes],
  };
}
