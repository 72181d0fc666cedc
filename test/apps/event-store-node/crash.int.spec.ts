import { NO_STREAM, type EventStoreDBClient } from '@eventstore/db-client';
import {
  allEvents,
  connect,
  nodeMain,
  startTestNode,
  testEvent,
  type TestNode,
} from '../../support/event-store-node';
import { eventually } from '../../support/eventually';
import { queryAsSuperuser, startTestPostgres } from '../../support/postgres';
import { runToEnd, startProcess, type TestProcess } from '../../support/processes';

let node: TestNode;
beforeEach(async () => (node = await startTestNode()));
afterEach(async () => {
  await Promise.all(loads.map((each) => each.stop()));
  loads = [];
  await node?.stop();
});

// What the client does when a node goes away under it is not what these tests are about.
process.on('unhandledRejection', () => undefined);

interface Load {
  readonly acknowledged: string[];
  stop(): Promise<void>;
}

let loads: Load[] = [];

/** Eight writers of single events, until told to stop or the test ends. Remembers what was acknowledged. */
function load(label: string): Load {
  const acknowledged: string[] = [];
  let running = true;
  const writer = async (index: number): Promise<void> => {
    for (let count = 0; running; count++) {
      const event = testEvent('Load', { index, count });
      const client = node.client();
      const outcome = await Promise.race([
        client
          .appendToStream(`${label}-${index}-${count}`, event, { expectedRevision: NO_STREAM })
          .catch(() => null),
        new Promise<null>((done) => setTimeout(done, 3_000, null)),
      ]);
      if (outcome !== null) acknowledged.push(event.id);
      else await new Promise((done) => setTimeout(done, 20));
    }
  };
  const writers = Array.from({ length: 8 }, (_, index) => writer(index));
  const started: Load = {
    acknowledged,
    stop: async () => {
      running = false;
      await Promise.all(writers);
    },
  };
  loads.push(started);
  return started;
}

/** Every acknowledged event is there once, and the positions are without gap or double. */
async function expectAllKept(acknowledged: readonly string[], port = node.port()): Promise<void> {
  const client = connect(port);
  const events = await allEvents(client);
  await client.dispose();
  const stored = events.map((event) => event.id);
  expect(new Set(stored).size).toBe(stored.length);
  expect(acknowledged.filter((id) => !stored.includes(id))).toEqual([]);
  const positions = events.map((event) => Number(event.position.commit));
  expect(positions).toEqual(positions.map((_, index) => (positions[0] ?? 0) + index));
}

test('SIGKILL of the node under load: everything acknowledged is there', async () => {
  const writing = load('node');
  await eventually(() => expect(writing.acknowledged.length).toBeGreaterThan(200), 20_000);
  node.process().kill('SIGKILL');
  await node.restart();
  const before = writing.acknowledged.length;
  await eventually(() => expect(writing.acknowledged.length).toBeGreaterThan(before + 100), 20_000);
  await writing.stop();
  await expectAllKept(writing.acknowledged);
});

test('SIGKILL of PostgreSQL under load: the node goes on by itself, and everything acknowledged is there', async () => {
  const writing = load('postgres');
  await eventually(() => expect(writing.acknowledged.length).toBeGreaterThan(200), 20_000);
  const { pid } = node.process();
  process.kill(node.postgres.server.pid, 'SIGKILL');
  await node.postgres.server.restart();
  const before = writing.acknowledged.length;
  await eventually(() => expect(writing.acknowledged.length).toBeGreaterThan(before + 100), 20_000);
  await writing.stop();
  expect(node.process().pid).toBe(pid);
  await expectAllKept(writing.acknowledged);
});

describe('a second node on the same database', () => {
  let second: Promise<TestProcess>;
  beforeEach(() => {
    const env = { EVENT_STORE_NODE_DATABASE_URL: node.databaseUrl, EVENT_STORE_NODE_PORT: '0' };
    second = startProcess(nodeMain, { env });
  });
  afterEach(async () => {
    // Where a test has failed the first may hold the lock still, and this one wait for it.
    if (isAlive(node.process().pid)) node.process().kill('SIGKILL');
    await (await second).stop();
  });

  test('waits, and takes over when the first is gone', async () => {
    await node.client().appendToStream('handed-over', testEvent());
    const early = await Promise.race([second, new Promise((done) => setTimeout(done, 1_500, 'waits'))]);
    expect(early).toBe('waits');
    node.process().kill('SIGKILL');
    const running = await second;
    const client = connect(running.port ?? 0);
    const outcome = await client.appendToStream('handed-over', testEvent(), { expectedRevision: 0n });
    await client.dispose();
    expect(outcome.success).toBe(true);
    expect(running.output()).toContain('another node writes to this database');
    expect(await running.stop()).toBe(0);
  });

  test('writes alone from its take-over on: what the first acknowledged is there once, and the first ends', async () => {
    const writing = load('first');
    await eventually(() => expect(writing.acknowledged.length).toBeGreaterThan(100), 20_000);
    // A node that is paused at the wrong moment, while the server drops its session and with it the lock.
    node.process().kill('SIGSTOP');
    await endWriterSession(node.databaseUrl);
    const running = await second;
    const client = connect(running.port ?? 0);
    try {
      for (let count = 0; count < 20; count++) await client.appendToStream('second', testEvent('Second'));
      // What is asked while it is paused, and just afterwards, is answered by nothing it remembers.
      const asked = [readTypes(node.client()), readTypes(node.client(), 'second')];
      // Time for them to reach its socket: a paused process cannot be asked whether they have.
      await new Promise((done) => setTimeout(done, 200));
      node.process().kill('SIGCONT');
      asked.push(readTypes(node.client()));
      const answers = await Promise.allSettled(asked);
      expect(answers.map(({ status }) => status)).toContain('rejected');
      for (const answer of answers)
        if (answer.status === 'fulfilled')
          expect(answer.value.filter((type) => type === 'Second')).toHaveLength(20);
      expect(await node.process().exited).toBe(1);
      expect(node.process().output()).toContain('another node has taken over the log');
      // First of all, because the client lets the end of one connection fail what is pending on another.
      await writing.stop();
      for (let count = 0; count < 20; count++) await client.appendToStream('second', testEvent('Second'));
      await expectAllKept(writing.acknowledged, running.port);
      const events = await allEvents(client);
      expect(events.filter(({ type }) => type === 'Second')).toHaveLength(40);
      // An answer may have been under way when the first was paused, but nothing was written after the second began.
      const takeOver = events.findIndex(({ type }) => type === 'Second');
      const afterwards = new Set(events.slice(takeOver).map(({ id }) => id));
      expect(writing.acknowledged.filter((id) => afterwards.has(id))).toEqual([]);
    } finally {
      await client.dispose();
    }
  });
});

test('a node whose epoch is over writes nothing more and ends, though it holds the lock still', async () => {
  const writing = load('fenced');
  await eventually(() => expect(writing.acknowledged.length).toBeGreaterThan(50), 20_000);
  await queryAsSuperuser(node.databaseUrl, 'update writer set epoch = epoch + 1');
  expect(await node.process().exited).toBe(1);
  expect(node.process().output()).toContain('another node has taken over the log');
  const [before] = await queryAsSuperuser<{ rows: number }>(
    node.databaseUrl,
    'select count(*)::int as rows from appends',
  );
  await node.restart();
  await writing.stop();
  expect(before?.rows).toBeGreaterThan(50);
  await expectAllKept(writing.acknowledged);
});

/** Of a stream, or of the whole log. */
async function readTypes(client: EventStoreDBClient, streamName?: string): Promise<string[]> {
  const types: string[] = [];
  const events = streamName === undefined ? client.readAll() : client.readStream(streamName);
  for await (const { event } of events) types.push(event?.type ?? '');
  return types;
}

/** Ends the one session that holds the writer's lock. */
async function endWriterSession(databaseUrl: string): Promise<void> {
  const ended = await queryAsSuperuser(
    databaseUrl,
    `select pg_terminate_backend(pid, 5000) from pg_locks
     where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())`,
  );
  expect(ended).toHaveLength(1);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a database that may lose what it committed is refused', async () => {
  const unsafe = await startTestPostgres({ synchronous_commit: 'off' });
  try {
    const { exitCode, output } = await runToEnd(nodeMain, {
      env: { EVENT_STORE_NODE_DATABASE_URL: await unsafe.createDatabase(), EVENT_STORE_NODE_PORT: '0' },
    });
    expect(exitCode).toBe(1);
    expect(output).toContain('synchronous_commit=off');
  } finally {
    await unsafe.stop();
  }
});

test('without its database URL it says so and exits', async () => {
  const { exitCode, output } = await runToEnd(nodeMain, {});
  expect(exitCode).toBe(2);
  expect(output).toContain('EVENT_STORE_NODE_DATABASE_URL is not set');
});
