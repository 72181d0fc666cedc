import { NO_STREAM, UnavailableError } from '@eventstore/db-client';
import { allEvents, nodeMain, startTestNode, testEvent, type TestNode } from '../../support/event-store-node';
import { eventually } from '../../support/eventually';
import { queryAsSuperuser, terminateSessions } from '../../support/postgres';
import { runToEnd, signalAll } from '../../support/processes';

// What the node does when PostgreSQL is unsafe, silent or out of room. Real kills are in crash.int.spec.ts.
let node: TestNode;
beforeAll(async () => (node = await startTestNode()));
afterAll(() => node?.stop());

// The client rejects more promises than it hands out when a call ends under it.
process.on('unhandledRejection', () => undefined);

const superuser = (sql: string) => queryAsSuperuser(node.databaseUrl, sql);
const setForDatabase = (value: string) =>
  superuser(
    `do $$ begin execute format('alter database %I set synchronous_commit = ${value}', current_database()); end $$`,
  );

function append(streamName: string): Promise<unknown> {
  return node
    .client()
    .appendToStream(streamName, testEvent(), { expectedRevision: NO_STREAM })
    .catch((error: unknown) => error);
}

async function expectWritesAgain(streamName: string): Promise<void> {
  await eventually(async () => expect(await append(streamName)).toMatchObject({ success: true }), 15_000);
}

/** No event twice, no position left out. */
async function expectWhole(): Promise<void> {
  const events = await allEvents(node.client());
  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  const positions = events.map(({ position }) => Number(position.commit));
  expect(positions).toEqual(positions.map((_, index) => (positions[0] ?? 0) + index));
}

describe('synchronous_commit, as the connection sees it', () => {
  afterEach(() => setForDatabase('default'));

  const start = async () => {
    const env = { EVENT_STORE_NODE_DATABASE_URL: node.databaseUrl, EVENT_STORE_NODE_PORT: '0' };
    return runToEnd(nodeMain, { env });
  };

  test('off for the database alone: refused at the start', async () => {
    await setForDatabase('off');
    const { exitCode, output } = await start();
    expect(exitCode).toBe(1);
    expect(output).toContain('synchronous_commit=off');
  });

  test.each(['off', 'local'])('%s when the connection comes back', async (value) => {
    expect(await append(`before-${value}`)).toMatchObject({ success: true });
    await setForDatabase(value);
    await terminateSessions(node.databaseUrl);
    if (value === 'off') {
      await eventually(() => expect(node.process().output()).toContain('unsafe database'), 10_000);
      expect(await append('unsafe')).toBeInstanceOf(Error);
      await setForDatabase('default');
    }
    await expectWritesAgain(`after-${value}`);
  });

  test('off in the session that writes: the server itself refuses the insert', async () => {
    const insert = `set synchronous_commit = off;
      select set_config('event_store.epoch', (select epoch::text from writer), false);
      insert into appends values (1, 'unsafe', 0, 1, '')`;
    await expect(superuser(insert)).rejects.toMatchObject({ code: 'MF003' });
  });
});

test('no room: the append is refused at once, and the next is written when there is room, over the same connection', async () => {
  const { pid } = node.process();
  const linesBefore = node.process().output().length;
  await superuser(`
    create function no_room() returns trigger language plpgsql as $$
    begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$;
    create trigger no_room before insert on appends for each statement execute function no_room()`);
  const startedAtMs = Date.now();
  expect(await append('no-room')).toBeInstanceOf(UnavailableError);
  expect(Date.now() - startedAtMs).toBeLessThan(1_500);
  await superuser('drop trigger no_room on appends');
  await expectWritesAgain('no-room');
  expect(node.process().pid).toBe(pid);
  expect(node.process().output().slice(linesBefore)).not.toContain('lost the connection');
  await expectWhole();
});

test('PostgreSQL frozen: appends are answered in time, the connection is given up, and nothing is written twice', async () => {
  const frozen = await superuser('select pid from pg_stat_activity where pid <> pg_backend_pid()');
  const pids = [...frozen.map((row) => (row as { pid: number }).pid), node.postgres.server.pid];
  signalAll(pids, 'SIGSTOP');
  try {
    const startedAtMs = Date.now();
    expect(await append('frozen')).toBeInstanceOf(Error);
    expect(Date.now() - startedAtMs).toBeLessThan(4_000);
    await eventually(
      () => expect(node.process().output()).toContain('lost the connection that writes'),
      10_000,
    );
  } finally {
    signalAll(pids, 'SIGCONT');
  }
  await expectWritesAgain('thawed');
  await expectWhole();
});
