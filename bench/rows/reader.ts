import { startHelper, type Helper } from '../harness/helper-process';
import type { Row, RowContext, Side } from '../harness/row';
import { readLoadFile, type LogToRead, type ReadLoad } from '../load/read-load';
import { startBenchNode } from '../parts/bench-node';
import { startBenchPostgres } from '../parts/bench-postgres';
import { fillLog } from '../parts/fill-log';

export const readerRow: Row = {
  name: 'reader',
  ours: 'events that the bulk reader takes from the log and parses, embedded node',
  over: 'the same log by readAll of the official client',
  unit: 'events/s',
  target: { atLeast: 2 },
  open: async (context) => {
    const postgres = await startBenchPostgres(context);
    const stored = { seed: context.seed, streamCount: context.quick ? 5_000 : 50_000, eventsPerStream: 4 };
    const database = 'bench log';
    await fillLog(database, stored, postgres, context);
    const node = await startBenchNode(postgres.url(database));
    context.onClose(() => node.stop());
    const processes = [
      { name: 'node', pid: node.pid },
      { name: 'postgres', pid: postgres.pid, withChildren: true },
    ];
    return [
      {
        sides: [
          readerSide('bulk reader', context, { reader: 'bulk', url: node.url, stored }, processes),
          readerSide('official client', context, { reader: 'official', url: node.url, stored }, processes),
        ],
      },
    ];
  },
};

/** Reading changes nothing, so node and log are the same in all rounds, warm for both. */
function readerSide(
  name: string,
  context: RowContext,
  log: LogToRead,
  serverProcesses: readonly { name: string; pid: number }[],
): Side {
  const load: Helper<ReadLoad> = startHelper<ReadLoad>(readLoadFile, context.signal);
  context.onClose(() => load.stop());
  return {
    name,
    prepare: () => load.call('open', log),
    run: async ({ warmUpMs, durationMs }) => {
      const { perSecond, total } = await load.call('run', { warmUpMs, durationMs });
      return { value: perSecond, eventCount: total };
    },
    check: () => load.call('check', null),
    close: async () => {
      if (!context.signal.aborted) await load.call('close', null);
    },
    processes: () => [{ name: 'reader', pid: load.pid }, ...serverProcesses],
  };
}
