import type { Row, RowContext, Side } from '../harness/row';
import { startBenchPostgres, type BenchPostgres } from '../parts/bench-postgres';
import { fillLog } from '../parts/fill-log';
import { nodeSide } from './append-sides';
import { singleAppends } from './append';

const eventsPerStream = 4;

export const growthRow: Row = {
  name: 'growth',
  ours: 'single-event appends at 5,000,000 stored events, half of the streams stored ones',
  over: 'the same at 500,000 (--quick: 500,000 over 50,000)',
  unit: 'events/s',
  target: { atLeast: 0.9 },
  open: async (context) => {
    const postgres = await startBenchPostgres(context);
    const small = context.quick ? 50_000 : 500_000;
    return [
      {
        sides: [await storedSide(10 * small, context, postgres), await storedSide(small, context, postgres)],
      },
    ];
  },
};

/** Each round appends to a fresh copy of the filled database, so the log never holds more than it should. */
async function storedSide(eventCount: number, context: RowContext, postgres: BenchPostgres): Promise<Side> {
  const stored = { seed: context.seed, streamCount: eventCount / eventsPerStream, eventsPerStream };
  const template = `bench log of ${eventCount}`;
  await fillLog(template, stored, postgres, context);
  return nodeSide(`${eventCount} stored`, context, postgres, { ...singleAppends, stored }, template);
}
