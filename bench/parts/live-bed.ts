import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DemoClient } from '../../apps/dev/demo-client';
import { openSample } from '../../apps/dev/demo-rebuild-sample';
import { appendSampleLog } from '../../apps/dev/sample-log/append-sample-log';
import { startShardedSystem } from '../../apps/dev/sharded-system';
import { removeDataDirectory } from '../../apps/shared/embedded/directories';
import { runMailfold } from '../../apps/dev/demo-cli';
import type { RowContext } from '../harness/row';

/** A whole system with a log in it, which others write to and read while it is rebuilt. */
export interface LiveBed {
  /** Appends the next act of the sample log, and reads until the OLTP tier shows it. Resolves to how many events it was. */
  writeAndSee(): Promise<number>;
  /** Fills a new generation of the OLTP tier from the log, and drops it. */
  rebuildOnce(signal: AbortSignal): Promise<void>;
  readonly processes: readonly { name: string; pid: number; withChildren?: boolean }[];
}

export async function openLiveBed(context: RowContext, events: number): Promise<LiveBed> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mailfold-bench-live-'));
  context.onClose(() => removeDataDirectory(dataDir));
  const { signal, seed } = context;
  const system = await startShardedSystem({ dataDir, oltpDatabases: ['A'], signal });
  context.onClose(() => system.stop());
  const sample = openSample(system, { seed, events });
  context.onClose(() => sample.close());
  context.notice(`a log of ${events} events through the event store …`);
  await appendSampleLog(sample.store, sample.log.acts, { signal, eventsMin: events });
  await sample.untilShown(() => undefined, signal);
  const client = new DemoClient(system.urls, sample.log.tenants[0]?.apiKey ?? '');
  const lanes = new Map<number, Promise<unknown>>();
  return {
    processes: Object.entries(system.pids()).map(([name, pid]) => ({
      name,
      pid,
      withChildren: name === 'postgres',
    })),
    writeAndSee: async () => {
      const next = await sample.log.acts.next();
      if (next.done === true) throw new Error('the sample log is at its end');
      const { lane, appends } = next.value;
      const before = lanes.get(lane) ?? Promise.resolve();
      const written = before.then(async () => {
        let position = 0n;
        for (const append of appends)
          position = (await sample.store.append(append.streamName, append.expected, append.events)).position;
        return position;
      });
      lanes.set(lane, written);
      const response = await client.readAtOnce(`/v1/mailboxes?after=${await written}`);
      if (lanes.get(lane) === written) lanes.delete(lane);
      const shown = BigInt(response.headers.get('x-read-model-position') ?? 0);
      if (response.status !== 200 || shown < (await written))
        throw new Error(`a read after ${await written} answered ${response.status} at ${shown}`);
      return appends.reduce((sum, append) => sum + append.events.length, 0);
    },
    rebuildOnce: async (stop) => {
      const asked = ['run', 'oltp', '--databases', 'OLTP_DATABASE_URL_A'];
      const records = await runMailfold(['rebuild', ...asked], system.environment, stop);
      const run = String(records.at(-1)?.['run']);
      await runMailfold(['rebuild', 'discard', run, '--yes'], system.environment, stop);
    },
  };
}
