import {
  allSlots,
  divided,
  wholeTier,
  type SlotRange,
} from '../../../../../apps/shared/generations/coverage';
import type { ReadableEvent } from '../../../../../apps/shared/projecting/fold-event';
import { foldEvent } from '../../../../../apps/shared/projecting/fold-event';
import { strayHistoryRows } from '../../../../../apps/shared/partitions/history-partitions';
import { inTransaction } from '../../../../../apps/shared/postgres/transaction';
import { bareTables } from '../../../../../apps/shared/rebuilding/load/bare-tables';
import type {
  BucketToLoad,
  TargetConnection,
} from '../../../../../apps/shared/rebuilding/load/bucket-to-load';
import { buildIndexes } from '../../../../../apps/shared/rebuilding/load/build-indexes';
import { copyRows } from '../../../../../apps/shared/rebuilding/load/copy-rows';
import { emptyFolded, loadBucket } from '../../../../../apps/shared/rebuilding/load/load-bucket';
import { loadedRows } from '../../../../../apps/shared/rebuilding/load/load-units';
import type { Poison, StoppedSequence } from '../../../../../apps/shared/rebuilding/contracts';
import { parseStreamName } from '../../../../../domain/stream-name';
import { olapTier } from '../../../../../projections/olap';
import { oltpTier } from '../../../../../projections/oltp';
import type { AnyTable } from '../../../../../projections/projection';
import { tablesOf } from '../../../../../projections/tiers';
import { queryAsSuperuser } from '../../../../support/postgres';
import { idOf, RecordedLog } from '../../../../support/recorded-log';
import { projectLive, startLoadedDatabase, type LoadedDatabase } from './loaded-schema';

let database: LoadedDatabase;

beforeAll(async () => {
  database = await startLoadedDatabase();
});
afterAll(() => database.stop());

const otherTenant = idOf('other tenant');

/** Two tenants, moves between conversations, agents who come and go: every table but the written-once one of recipients. */
function history(): RecordedLog {
  const log = new RecordedLog();
  for (let i = 0; i < 60; i++) log.mail(`mail ${i}`, { subject: `Tab\there, ${'é'.repeat(i)}` });
  for (let i = 0; i < 20; i++) log.mail(`other ${i}`, {}, otherTenant);
  for (let i = 0; i < 40; i++) log.assign(`mail ${i}`, `agent ${i % 3}`);
  for (let i = 0; i < 15; i++)
    log
      .move(`mail ${i}`, `mail ${i}`, `mail ${i + 20}`)
      .resolve(`mail ${i + 15}`)
      .read(`mail ${i}`, 'ana', 1);
  return log;
}

interface Filled {
  readonly schema: string;
  readonly target: TargetConnection;
}

async function bareTarget(slots: SlotRange = allSlots): Promise<Filled> {
  const schema = await database.newSchema(oltpTier, slots);
  await bareTables(database.owner, schema, oltpTier);
  return {
    schema,
    target: { pool: database.owner, schema, coverage: { slots, tenantId: null, except: [] } },
  };
}

function bucketOf(
  { target }: Filled,
  slots: SlotRange,
  events: readonly ReadableEvent[],
  options: Partial<BucketToLoad> = {},
): BucketToLoad {
  return {
    ...{ tier: oltpTier, bucket: { index: 0, slots }, targets: [target], stopped: [], memoryMaxBytes: 1e9 },
    events: () => [events.slice(0, 50), events.slice(50)],
    ...options,
  };
}

/** What the scan does for written-once tables. */
async function copyWrittenOnce({ schema }: Filled, events: readonly ReadableEvent[]): Promise<void> {
  for (const table of tablesOf(oltpTier).filter(({ isWrittenOnce }) => isWrittenOnce)) {
    const rows = events.flatMap((event) =>
      (foldEvent(oltpTier, event)?.operations ?? []).flatMap((operation) => {
        const row = operation.table === table ? operation.fold(null) : null;
        return row === null ? [] : [{ ...operation, position: event.position, row }];
      }),
    );
    await inTransaction(database.owner, (client) => copyRows(client, schema, table, rows));
  }
}

async function rowsOf(schema: string, { name }: AnyTable): Promise<string[]> {
  const rows = await database.auditor.query<{ row: string }>(
    `select t::text as row from ${schema}.${name} t order by 1`,
  );
  return rows.rows.map(({ row }) => row);
}

async function expectEqual(
  left: string,
  rights: readonly string[],
  but: readonly string[] = [],
): Promise<void> {
  for (const table of tablesOf(oltpTier)) {
    if (but.includes(table.name)) continue;
    const shards = await Promise.all(rights.map((schema) => rowsOf(schema, table)));
    expect({ table: table.name, rows: shards.flat().sort() }).toEqual({
      table: table.name,
      rows: (await rowsOf(left, table)).sort(),
    });
  }
}

async function liveSchema(events: readonly ReadableEvent[]): Promise<string> {
  const schema = await database.newSchema(oltpTier);
  await projectLive(database, schema, oltpTier, events);
  return schema;
}

const signal = new AbortController().signal;
const writtenOnce = tablesOf(oltpTier).flatMap(({ name, isWrittenOnce }) => (isWrittenOnce ? [name] : []));

describe('buckets loaded in bulk', () => {
  it.each([1, 3])('hold in %d shards the rows that a lane writes', async (shards) => {
    const { events } = history();
    const live = await liveSchema(events);
    const schemas: string[] = [];
    for (const slots of divided(allSlots, shards)) {
      const filled = await bareTarget(slots);
      for (const part of divided(slots, 3)) await loadBucket(bucketOf(filled, part, events));
      if (shards === 1) {
        await copyWrittenOnce(filled, events);
        await buildIndexes(database.owner, filled.schema, oltpTier, { signal });
      }
      schemas.push(filled.schema);
    }
    await expectEqual(live, schemas, shards === 1 ? [] : writtenOnce);
    expect(
      (await rowsOf(live, { name: 'agent_inbox_summary', primaryKey: [], columns: {} })).length,
    ).toBeGreaterThan(3);
  });

  it('go to several targets that hold the same slots, each its own tenants', async () => {
    const { events } = history();
    const live = await liveSchema(events);
    const [most, pinned] = [await bareTarget(), await bareTarget()];
    const targets = [
      { ...most.target, coverage: { slots: allSlots, tenantId: null, except: [otherTenant] } },
      { ...pinned.target, coverage: { slots: allSlots, tenantId: otherTenant, except: [] } },
    ];
    const { rows } = await loadBucket(bucketOf(most, allSlots, events, { targets }));
    await expectEqual(live, [most.schema, pinned.schema], writtenOnce);
    expect(await rowsOf(pinned.schema, { name: 'conversations', primaryKey: [], columns: {} })).toHaveLength(
      20,
    );
    const [ofMost, ofPinned] = [
      await loadedRows(database.owner, most.schema),
      await loadedRows(database.owner, pinned.schema),
    ];
    for (const [table, count] of Object.entries(rows))
      expect((ofMost[table] ?? 0) + (ofPinned[table] ?? 0)).toBe(count);
  });

  it('are folded by parts of their slots where memory does not do', async () => {
    const { events } = history();
    const live = await liveSchema(events);
    const filled = await bareTarget();
    let readings = 0;
    const again = () => {
      readings += 1;
      return [events.slice(0, 10), events.slice(10)];
    };
    await loadBucket(bucketOf(filled, allSlots, events, { memoryMaxBytes: 10_000, events: again }));
    expect(readings).toBeGreaterThan(5);
    await expectEqual(live, [filled.schema], writtenOnce);
  });

  it('are written once, whatever ends the load on its way', async () => {
    const { events } = history();
    const live = await liveSchema(events);
    const filled = await bareTarget();
    const parts = divided(allSlots, 4);
    let ends = 0;
    for (let allowed = 0; ; allowed++) {
      let blocks = 0;
      const onBlock = async () => {
        if (blocks++ === allowed) throw new Error('ended here');
      };
      try {
        for (const part of parts) await loadBucket(bucketOf(filled, part, events, { onBlock }));
        break;
      } catch (error) {
        expect((error as Error).message).toBe('ended here');
        ends += 1;
      }
    }
    expect(ends).toBeGreaterThan(1);
    await expectEqual(live, [filled.schema], writtenOnce);
  });

  it('put history into its partitions', async () => {
    const { events } = history();
    const [live, loaded] = [await database.newSchema(olapTier), await database.newSchema(olapTier)];
    await projectLive(database, live, olapTier, events);
    await bareTables(database.owner, loaded, olapTier);
    const target = { pool: database.owner, schema: loaded, coverage: wholeTier };
    await loadBucket(bucketOf({ schema: loaded, target }, allSlots, events, { tier: olapTier }));
    expect(await strayHistoryRows(database.owner, loaded)).toBe(0);
    await buildIndexes(database.owner, loaded, olapTier, { signal });
    const [table] = tablesOf(olapTier);
    expect(await rowsOf(loaded, table!)).toEqual(await rowsOf(live, table!));
    expect((await rowsOf(loaded, table!)).length).toBeGreaterThan(0);
  });

  it('leave nothing of a transaction that fails in its COPY', async () => {
    const { events } = history();
    const filled = await bareTarget();
    await database.owner.query(`alter table ${filled.schema}.conversations rename to hidden`);
    await expect(loadBucket(bucketOf(filled, allSlots, events))).rejects.toMatchObject({ code: '42P01' });
    await database.owner.query(`alter table ${filled.schema}.hidden rename to conversations`);
    await loadBucket(bucketOf(filled, allSlots, events));
    await expectEqual(await liveSchema(events), [filled.schema], writtenOnce);
  });
});

describe('poison in a bucket', () => {
  /** Fails the check of the column, which only PostgreSQL knows. */
  const badStatus = 'sold';

  function poisoned(): RecordedLog {
    const log = history();
    const place = { conversationId: idOf('mail 30'), mailboxId: idOf('mailbox') };
    log.add('conversation', place.conversationId, {
      type: 'ConversationStatusChanged',
      data: { ...place, from: 'open', to: badStatus as 'open', cause: 'agent' },
    });
    return log.attach('mail 30', 'mail 3').resolve('mail 31');
  }

  function stoppedBy(poison: readonly Poison[]): StoppedSequence[] {
    return poison.map(({ streamName, position }) => {
      const stream = parseStreamName(streamName)!;
      return { tenantId: stream.tenantId, sequenceId: stream.entityId, position };
    });
  }

  it('that PostgreSQL refuses is found, names its event and stops its conversation and no other', async () => {
    const { events } = poisoned();
    const live = await liveSchema(events);
    const filled = await bareTarget();
    const { rows, poison } = await loadBucket(bucketOf(filled, allSlots, events));
    expect(rows).toEqual({});
    expect(await rowsOf(filled.schema, { name: 'conversations', primaryKey: [], columns: {} })).toEqual([]);
    expect(poison).toMatchObject([
      { tier: 'oltp', eventType: 'ConversationStatusChanged', position: events.at(-3)?.position },
    ]);
    await emptyFolded(database.owner, filled.schema, oltpTier);
    const again = await loadBucket(bucketOf(filled, allSlots, events, { stopped: stoppedBy(poison) }));
    expect(again.poison).toEqual([]);
    await expectEqual(live, [filled.schema], writtenOnce);
  });

  it('that a fold throws at leaves no trace of its event', async () => {
    const log = history();
    // An attachment whose time is none: the row of the message changes first, and then the conversation refuses.
    const conversationId = idOf('mail 33');
    log.attach('mail 33', 'mail 34');
    const last = log.events.at(-1)!;
    (log.events as ReadableEvent[])[log.events.length - 1] = {
      ...last,
      metadata: { ...last.metadata, occurredAt: 'never' },
    };
    log.resolve('mail 33');
    const live = await liveSchema(log.events);
    const filled = await bareTarget();
    const { poison } = await loadBucket(bucketOf(filled, allSlots, log.events));
    expect(stoppedBy(poison)).toMatchObject([{ sequenceId: conversationId, position: last.position }]);
    await loadBucket(bucketOf(filled, allSlots, log.events, { stopped: stoppedBy(poison) }));
    await expectEqual(live, [filled.schema], writtenOnce);
  });

  it('is no poison if only the way of writing was refused', async () => {
    const { events } = history();
    // PostgreSQL takes this spelling of an id, the binary format does not know it.
    const agent = `{${idOf('agent 1').toUpperCase()}}`;
    const spelled = events.map((event) =>
      event.type === 'ConversationAssigned' && event.data.conversationId === idOf('mail 5')
        ? { ...event, data: { ...event.data, assigneeId: agent } }
        : event,
    ) as ReadableEvent[];
    const filled = await bareTarget();
    const { poison, rows } = await loadBucket(bucketOf(filled, allSlots, spelled));
    expect(poison).toEqual([]);
    expect(rows['conversations']).toBe(80);
    const counted = await queryAsSuperuser(
      database.url,
      `select count(*)::int as count from ${filled.schema}.conversations where assigned_agent_id = $1`,
      [idOf('agent 1')],
    );
    expect(counted).toEqual([{ count: 14 }]);
  });
});
