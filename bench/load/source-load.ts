import { join } from 'node:path';
import type { LogToRead } from '../../apps/shared/rebuilding/contracts';
import { logAccess } from '../../apps/shared/rebuilding/log-access';
import { logRanges } from '../../apps/shared/rebuilding/scan/log-ranges';
import type { LogRange } from '../../apps/shared/rebuilding/scan/scan-plan';
import { inOrder, Threads, threadsByDefault } from '../../apps/shared/rebuilding/threads';
import { serveHelper } from '../harness/helper-process';

export interface SourceRead {
  readonly events: number;
  readonly seconds: number;
}

/** What a rebuild reads, read by as many threads in the same ranges, and thrown away: the limit that the log sets. */
export type SourceLoad = {
  read(argument: { log: LogToRead; fence: bigint }): Promise<SourceRead>;
};

export const sourceLoadFile = 'bench/load/source-load.js';

const methods: SourceLoad = {
  read: async ({ log, fence }) => {
    const startedAt = performance.now();
    const readers = threadsByDefault();
    const ranges = await logRanges(null, fence, { readers, isPart: false });
    const threads = new Threads<{ range: LogRange }, number>({
      ...{ file: join(__dirname, 'source.worker'), threads: readers, workerData: logAccess(log) },
      ...{ signal: new AbortController().signal, onBatch: () => undefined },
    });
    let events = 0;
    try {
      await inOrder(ranges, readers, async (range) => {
        const read = await threads.run({ range });
        events += read;
        return true;
      });
      return { events, seconds: (performance.now() - startedAt) / 1_000 };
    } finally {
      await threads.close();
    }
  },
};

if (require.main === module) serveHelper(methods);
