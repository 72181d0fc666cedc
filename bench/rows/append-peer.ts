import type { Row } from '../harness/row';
import { startBenchPostgres } from '../parts/bench-postgres';
import { installPeers } from '../parts/peers';
import { singleAppends } from './append';
import { emmettSide, nodeSide } from './append-sides';

export const appendPeerRow: Row = {
  name: 'append-peer',
  ours: 'single-event appends, official client and embedded node, 256 in flight, ¼ NO_STREAM and ¾ exact',
  over: 'Emmett PostgreSQL appendToStream, the same streams, 32 in flight on 32 connections',
  unit: 'events/s',
  target: { atLeast: 4 },
  open: async (context) => {
    await installPeers(context);
    const postgres = await startBenchPostgres(context);
    return [
      {
        sides: [nodeSide('embedded node', context, postgres, singleAppends), emmettSide(context, postgres)],
      },
    ];
  },
};
