import type { Case, Row } from '../harness/row';
import { startBenchPostgres } from '../parts/bench-postgres';
import { nodeSide, rawInsertSide, type AppendShape } from './append-sides';

const rawInserts = 'raw INSERT and commit per event on 32 connections';

interface ShapedCase extends Omit<Case, 'sides'> {
  readonly shape: AppendShape;
}

/** Each shape over the raw inserts, on the same PostgreSQL. */
function overRawInserts(...cases: readonly ShapedCase[]): Row['open'] {
  return async (context) => {
    const postgres = await startBenchPostgres(context);
    return cases.map(({ shape, ...rest }) => ({
      ...rest,
      sides: [nodeSide('embedded node', context, postgres, shape), rawInsertSide(context, postgres)],
    }));
  };
}

/** The streams of a shared inbox are many and short, so most appends are single events. */
export const singleAppends: AppendShape = { inFlight: 256, eventsPerAppend: 1 };

export const appendRow: Row = {
  name: 'append',
  ours: 'single-event appends, official client and embedded node, 256 in flight, ¼ NO_STREAM and ¾ exact',
  over: rawInserts,
  unit: 'events/s',
  target: { atLeast: 1 },
  open: overRawInserts({ shape: singleAppends }),
};

const batchAppends: AppendShape = { inFlight: 16, eventsPerAppend: 100 };

export const appendBatchRow: Row = {
  name: 'append-batch',
  ours: '100 events per append, official client and embedded node, 16 in flight, ¼ NO_STREAM and ¾ exact',
  over: rawInserts,
  unit: 'events/s',
  target: { atLeast: 2.5 },
  open: overRawInserts({ shape: batchAppends }),
};

/** Tells how much of `append` and `append-batch` is the official client: their loads and goals, without it. */
export const appendNodeRow: Row = {
  name: 'append-node',
  ours: 'the appends of append and append-batch, embedded node, requests encoded by hand',
  over: rawInserts,
  unit: 'events/s',
  target: { atLeast: 1 },
  open: overRawInserts(
    { name: '256 in flight', shape: { ...singleAppends, byHand: true } },
    { name: '100 per append', target: { atLeast: 2.5 }, shape: { ...batchAppends, byHand: true } },
  ),
};
