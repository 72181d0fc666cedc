import { jsonEvent } from '@eventstore/db-client';
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { createEventStore } from '../../../../apps/shared/event-store/esdb-event-store';
import { LogMismatch, type EventStore } from '../../../../apps/shared/event-store/event-store';
import { createKeyRing } from '../../../../apps/shared/keys/key-ring';
import { count, countedEvent, type Census, type Tally } from '../../../../apps/shared/log-ledger/census';
import { keepLedger } from '../../../../apps/shared/log-ledger/keep-ledger';
import { LedgerLost, takeLedger, writeLedger } from '../../../../apps/shared/log-ledger/ledger-writer';
import { BehindLedger, LogLedger, type LogPlace } from '../../../../apps/shared/log-ledger/log-ledger';
import { eventsPerSegmentMax, extendLedger, type Segment } from '../../../../apps/shared/log-ledger/segment';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { eventually } from '../../../support/eventually';
import { startTestNode, type TestNode } from '../../../support/event-store-node';
import { queryAsSuperuser, terminateSessions } from '../../../support/postgres';
import { idOf } from '../../../support/recorded-log';
import { wholeLog } from '../../../support/whole-log';

let node: TestNode;
let store: EventStore;
let keysPool: Pool;
let controlUrl: string;
let pool: Pool;
let ledger: LogLedger;

const bounds = {
  applicationName: 'test',
  maxConnections: 6,
  statementTimeoutMs: 5_000,
  queryTimeoutMs: 6_000,
  connectionTimeoutMs: 5_000,
};

beforeAll(async () => {
  node = await startTestNode();
  keysPool = createPool(await node.postgres.createDatabase(), bounds);
  const keys = createKeyRing({ pool: keysPool, rootKey: randomBytes(32) });
  store = createEventStore({ url: `esdb://127.0.0.1:${node.port()}?tls=false`, keys });
});
afterAll(async () => {
  await store?.close();
  await keysPool?.end();
  await node?.stop();
});
beforeEach(async () => {
  controlUrl = await node.postgres.createDatabase();
  await migrate(controlUrl, 'control');
  pool = createPool(controlUrl, bounds);
  ledger = new LogLedger(pool, store);
});
afterEach(() => pool.end());

let appended = 0;
async function append(count: number, type = 'NoteAdded'): Promise<void> {
  const events = Array.from({ length: count }, () =>
    jsonEvent({ type, data: { count: ++appended }, metadata: { schemaVersion: 1 } }),
  );
  await node.client().appendToStream(`test-${idOf(`stream ${appended}`)}`, events);
}

interface Keeper {
  readonly owner: string;
  readonly troubles: unknown[];
  stop(): Promise<void>;
}

function keep(owner = 'first'): Keeper {
  const stop = new AbortController();
  const troubles: unknown[] = [];
  const kept = keepLedger({
    ...{ store, pool, owner, signal: stop.signal },
    onTrouble: (error) => troubles.push(error),
  });
  return {
    ...{ owner, troubles },
    stop: () => {
      stop.abort();
      return kept;
    },
  };
}

async function segments(): Promise<Segment[]> {
  const all: Segment[] = [];
  for await (const segment of ledger.segments(null)) all.push(segment);
  return all;
}

/** The rows that one writer, never disturbed, would have left. */
async function expectLedgerOfTheLog(): Promise<void> {
  await eventually(async () =>
    expect(await segments()).toEqual(extendLedger(null, (await wholeLog(store)).map(countedEvent))),
  );
}

test('the ledger follows the log, event by event', async () => {
  const keeper = keep();
  await append(30);
  await expectLedgerOfTheLog();
  await append(3, 'NeverHeardOf');
  await append(4);
  await expectLedgerOfTheLog();
  await keeper.stop();
  expect(await ledger.head()).toMatchObject({ ordinal: (await wholeLog(store)).length });
  expect(keeper.troubles).toEqual([]);
});

test('interrupted and taken over again and again, it counts every event once', async () => {
  let keeper = keep('first');
  for (let round = 0; round < 6; round++) {
    await append(25);
    if (round % 3 === 0) await terminateSessions(controlUrl).catch(() => undefined);
    if (round % 3 === 1) {
      const next = keep(`owner ${round}`);
      await append(5);
      await keeper.stop();
      keeper = next;
    }
  }
  await expectLedgerOfTheLog();
  await keeper.stop();
});

test('of two writers one stands by, and takes over when the other has gone without a word', async () => {
  const lease = await takeLedger(pool, 'killed');
  const keeper = keep('second');
  await append(1);
  await new Promise((done) => setTimeout(done, 600));
  expect(await ledger.head()).toBeNull();
  await queryAsSuperuser(controlUrl, `update log_ledger_checkpoint set lease_expires_at = now()`);
  await expectLedgerOfTheLog();
  await keeper.stop();

  if (lease === null) throw new Error('unreachable');
  const [record] = await wholeLog(store);
  if (record === undefined) throw new Error('unreachable');
  const late = { segments: extendLedger(null, [countedEvent(record)]), from: null };
  const to = { position: record.position, eventId: record.id };
  const before = await segments();
  await expect(writeLedger(pool, lease, { ...late, to })).rejects.toThrow(LedgerLost);
  expect(await segments()).toEqual(before);
});

test('it refuses to go on in another log', async () => {
  await append(5);
  const keeper = keep();
  await expectLedgerOfTheLog();
  await keeper.stop();
  await queryAsSuperuser(controlUrl, 'update log_ledger_checkpoint set event_id = $1', [idOf('another log')]);
  const before = await segments();
  await expect(keep().stop()).resolves.toBeUndefined();
  const refusing = keepLedger({ store, pool, owner: 'x', signal: new AbortController().signal });
  await expect(refusing).rejects.toThrow(LogMismatch);
  expect(await segments()).toEqual(before);
});

test('asked for places, times and sums, it answers what reading the whole log would tell', async () => {
  for (let batch = 0; batch < 14; batch++) await append(300);
  const log = await wholeLog(store);
  const keeper = keep();
  await eventually(async () => expect((await ledger.head())?.ordinal).toBe(log.length));
  await keeper.stop();
  expect((await segments()).length).toBeGreaterThan(1);

  const positionAt = (index: number): bigint => log[index]?.position ?? -1n;
  const placeOf = (index: number): LogPlace | null => {
    const times = log.slice(0, index + 1).map(({ createdAtMs }) => createdAtMs);
    return index < 0
      ? null
      : { position: positionAt(index), ordinal: index + 1, timeMs: times.reduce((a, b) => Math.max(a, b)) };
  };
  const last = log.length - 1;
  for (const index of [0, 777, eventsPerSegmentMax - 1, eventsPerSegmentMax, last]) {
    expect(await ledger.placeAt(positionAt(index))).toEqual(placeOf(index));
    const timeMs = (placeOf(index)?.timeMs ?? 0) - 1;
    const before = log.findIndex(({ createdAtMs }) => createdAtMs > timeMs) - 1;
    expect(await ledger.placeAtTime(timeMs)).toEqual({ place: placeOf(before), isSettled: true });
  }
  expect(await ledger.placeAtTime(Date.UTC(2100, 0))).toEqual({ place: placeOf(last), isSettled: false });
  await expect(ledger.placeAt(positionAt(last) + 1n)).rejects.toThrow(BehindLedger);

  const between = (after: number, upTo: number): Census => {
    const census = new Map<string, Tally>();
    for (const record of log.slice(after + 1, upTo + 1)) count(census, countedEvent(record));
    return census;
  };
  const parts = [
    { after: 0, upTo: 777 },
    { after: 777, upTo: eventsPerSegmentMax },
    { after: eventsPerSegmentMax - 1, upTo: last },
    { after: last, upTo: last },
  ];
  for (const { after, upTo } of parts)
    expect(await ledger.censusOf(positionAt(after), positionAt(upTo))).toEqual(between(after, upTo));
  expect(await ledger.censusOf(null, positionAt(last))).toEqual(between(-1, last));
  await expect(ledger.censusOf(null, positionAt(last) + 1n)).rejects.toThrow(BehindLedger);
});
