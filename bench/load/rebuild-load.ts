import { readFile } from 'node:fs/promises';
import { bulkLoad } from '../../apps/shared/rebuilding/bulk-load';
import type { BulkLoadOptions, LoadProgress } from '../../apps/shared/rebuilding/contracts';
import { serveHelper } from '../harness/helper-process';

type Phase = LoadProgress['phase'];

/** Plain data, as it crosses to the helper process. */
export type RebuildRequest = Pick<
  BulkLoadOptions,
  'log' | 'tiers' | 'fence' | 'only' | 'spoolFolder' | 'parallelism'
>;

export interface RebuildResult {
  readonly seconds: number;
  /** From the first word of a phase to that of the next one. */
  readonly phaseSeconds: Readonly<Partial<Record<Phase, number>>>;
  /** Read from the log. */
  readonly events: number;
  readonly rows: number;
  /** Of the whole process with all its threads, since it was started. */
  readonly peakBytes: number;
}

/** The bulk load of a rebuild in a process of its own, as `mailfold rebuild` runs it. */
export type RebuildLoad = {
  rebuild(request: RebuildRequest): Promise<RebuildResult>;
  /** Its first part: stops once the log is read. The same request goes on from there. */
  scan(request: RebuildRequest): Promise<void>;
};

export const rebuildLoadFile = 'bench/load/rebuild-load.js';

const methods: RebuildLoad = {
  scan: async (request) => {
    const stop = new AbortController();
    const outcome = await bulkLoad({
      ...request,
      poison: 'stop',
      signal: stop.signal,
      onProgress: ({ phase }) => void (phase === 'load' && stop.abort()),
    });
    if (outcome.isComplete) throw new Error('the bulk load went on');
  },
  rebuild: async (request) => {
    const beganAt = new Map<Phase, number>();
    const startedAt = performance.now();
    const outcome = await bulkLoad({
      ...request,
      poison: 'stop',
      signal: new AbortController().signal,
      onProgress: ({ phase }) => void (beganAt.has(phase) || beganAt.set(phase, performance.now())),
    });
    const endedAt = performance.now();
    if (!outcome.isComplete) throw new Error('the bulk load stopped by itself');
    return {
      seconds: (endedAt - startedAt) / 1_000,
      phaseSeconds: durations(beganAt, endedAt),
      events: outcome.events,
      rows: Object.values(outcome.rows).reduce((sum, rows) => sum + rows, 0),
      peakBytes: await peakBytes(),
    };
  },
};

function durations(beganAt: ReadonlyMap<Phase, number>, endedAt: number): Partial<Record<Phase, number>> {
  const phases = [...beganAt];
  return Object.fromEntries(
    phases.map(([phase, began], index) => [phase, ((phases[index + 1]?.[1] ?? endedAt) - began) / 1_000]),
  );
}

/** proc(5), VmHWM. Not getrusage(2): there a process begins with what its parent held. */
async function peakBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'latin1').catch(() => '');
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  return kibibytes === undefined ? process.resourceUsage().maxRSS * 1_024 : Number(kibibytes) * 1_024;
}

if (require.main === module) serveHelper(methods);
