import type { Row } from '../harness/row';
import { startBenchPostgres } from '../parts/bench-postgres';
import { nodeSide, rawInsertSide, type AppendShape } from './append-sides';

const rawInserts = 'raw INSERT and commit per event on 32 connections';

/** The streams of a shared inbox are many and short, so most appends are single events. */
export const singleAppends: AppendShape = { inFlight: 256, eventsPerAppend: 1 };

export const appendRow: Row = {
  name: 'append',
  ours: 'single-event appends, official client and embedded node, 256 in flight, ¼ NO_STREAM and ¾ exact',
  over: rawInserts,
  unit: 'events/s',
  target: { atLeast: 1 },
  open: async (context) => {
    const postgres = await startBenchPostgres(context);
    return [
      {
        sides: [
          nodeSide('embedded node', context, postgres, singleAppends),
          rawInsertSide(context, postgres),
        ],
      },
    ];
  },
};

export const appendBatchRow: Row = {
  name: 'append-batch',
  ours: '100 events per append, official client and embedded node, 16 in flight, ¼ NO_STREAM and ¾ exact',
  over: rawInserts,
  unit: 'events/s',
  target: { atLeast: 2.5 },
  open: async (context) => {
    const postgres = await startBenchPostgres(context);
    const shape = { inFlight: 16, eventsPerAppend: 100 };
    return [
      { sides: [nodeSide('embedded node', context, postgres, shape), rawInsertSide(context, postgres)] },
    ];
  },
};
