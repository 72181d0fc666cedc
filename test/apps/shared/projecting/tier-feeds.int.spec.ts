import { randomUUID } from 'node:crypto';
import { Client, type Pool } from 'pg';
import { streamName } from '../../../../domain/stream-name';
import { oltpTier } from '../../../../projections/oltp';
import type { EventStore } from '../../../../apps/shared/event-store/event-store';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { Lane } from '../../../../apps/shared/projecting/lane';
import { takeFreeLanes } from '../../../../apps/shared/projecting/lane-lease';
import { TierFeeds } from '../../../../apps/shared/projecting/tier-feeds';
import { eventually } from '../../../support/eventually';
import { queryAsSuperuser } from '../../../support/postgres';
import {
  roleChanged,
  startAdapterFixture,
  tenantId,
  type AdapterFixture,
} from '../event-store/adapter-fixture';

/** What a lane of batches of one takes in before it is full. */
const queueLength = 2;
/** Less than the second for which a feed waits for a full lane. */
const atOnceMs = 900;

describe('the feeds of a tier', () => {
  let fixture: AdapterFixture;
  let store: EventStore;
  let url: string;
  let pool: Pool;
  const stop = new AbortController();

  beforeAll(async () => {
    fixture = await startAdapterFixture();
    store = fixture.connect();
    url = await fixture.node.postgres.createDatabase();
    pool = createPool(url, {
      ...{ applicationName: 'test', role: 'mailfold_projector', maxConnections: 4 },
      ...{ statementTimeoutMs: 30_000, queryTimeoutMs: 35_000, connectionTimeoutMs: 5_000 },
    });
  });
  afterAll(async () => {
    stop.abort();
    await pool.end();
    await fixture.stop();
  });

  async function laneIn(schema: string): Promise<Lane> {
    await migrate(url, 'oltp', { schema });
    await queryAsSuperuser(
      url,
      `insert into ${schema}.checkpoints (lane, slot_from, slot_to) values (0, 0, 4095)`,
    );
    const [lease] = await takeFreeLanes(pool, schema, 'test');
    if (lease === undefined) throw new Error('no lane is free');
    return new Lane({ pool, tier: 'oltp', schema, lease, batchSizeMax: 1, signal: stop.signal });
  }

  async function append(): Promise<bigint> {
    const userId = randomUUID();
    const name = streamName('user', tenantId, userId);
    return (await store.append(name, 'no-stream', [roleChanged(userId, 0)])).position;
  }

  const reaches = (lane: Lane, position: bigint): Promise<void> =>
    eventually(() => expect(lane.checkpoint?.position ?? -1n).toBeGreaterThanOrEqual(position));

  it('has no lane wait for one that has come to the end of the log, but has not written yet what it was handed', async () => {
    const feeds = new TierFeeds({ store, tier: oltpTier, parser: null, signal: stop.signal });
    const [serving, newcomer] = [await laneIn('g1'), await laneIn('g2')];
    feeds.add([serving], () => undefined);
    await reaches(serving, await append());

    const holder = new Client({ connectionString: url });
    await holder.connect();
    await holder.query('begin; select 1 from g2.checkpoints for update');
    const isAtTheEnd = reachedEnd(newcomer, serving);
    feeds.add([newcomer], () => undefined);
    await isAtTheEnd;
    let last = 0n;
    for (let events = 0; events < 2 * queueLength; events++) {
      const startedAt = performance.now();
      last = await append();
      await reaches(serving, last);
      expect(performance.now() - startedAt).toBeLessThan(atOnceMs);
    }
    expect(newcomer.isFull).toBe(true);

    await holder.query('rollback');
    await holder.end();
    await reaches(newcomer, last);
    const next = await append();
    await Promise.all([reaches(serving, next), reaches(newcomer, next)]);
  });

  /** It has been handed all that the other one has. */
  const reachedEnd = (lane: Lane, other: Lane): Promise<void> =>
    eventually(() => expect(lane.lastOffered?.position).toBe(other.lastOffered?.position));
});
