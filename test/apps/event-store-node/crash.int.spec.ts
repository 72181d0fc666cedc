import { NO_STREAM } from '@eventstore/db-client';
import {
  allEvents,
  connect,
  nodeMain,
  startTestNode,
  testEvent,
  type TestNode,
} from '../../support/event-store-node';
import { eventually } from '../../support/eventually';
import { startTestPostgres } from '../../support/postgres';
import { runToEnd, startProcess } from '../../support/processes';

let node: TestNode;
beforeEach(async () => (node = await startTestNode()));
afterEach(() => node.stop());

// What the client does when a node goes away under it is not what these tests are about.
process.on('unhandledRejection', () => undefined);

/** Eight writers of single events, until told to stop. Remembers what was acknowledged. */
function load(label: string): { readonly acknowledged: string[]; stop(): Promise<void> } {
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
  return {
    acknowledged,
    stop: async () => {
      running = false;
      await Promise.all(writers);
    },
  };
}

/** Every acknowledged event is there once, and the positions are without gap or double. */
async function expectAllKept(acknowledged: readonly string[]): Promise<void> {
  const client = connect(node.port());
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

test('a second node on the same database waits, and takes over when the first is gone', async () => {
  const env = { EVENT_STORE_NODE_DATABASE_URL: node.databaseUrl, EVENT_STORE_NODE_PORT: '0' };
  await node.client().appendToStream('handed-over', testEvent());
  const second = startProcess(nodeMain, { env });
  const early = await Promise.race([second, new Promise((done) => setTimeout(done, 1_500, 'waits'))]);
  expect(early).toBe('waits');
  node.process().kill('SIGKILL');
  const running = await second;
  const client = connect(running.port ?? 0);
  expect((await client.appendToStream('handed-over', testEvent(), { expectedRevision: 0n })).success).toBe(
    true,
  );
  await client.dispose();
  expect(running.output()).toContain('another node writes to this database');
  expect(await running.stop()).toBe(0);
});

test('a database that may lose what it committed is refused', async () => {
  const unsafe = await startTestPostgres({ synchronous_commit: 'off' });
  const { exitCode, output } = await runToEnd(nodeMain, {
    env: { EVENT_STORE_NODE_DATABASE_URL: await unsafe.createDatabase(), EVENT_STORE_NODE_PORT: '0' },
  });
  await unsafe.stop();
  expect(exitCode).toBe(1);
  expect(output).toContain('synchronous_commit=off');
});

test('without its database URL it says so and exits', async () => {
  const { exitCode, output } = await runToEnd(nodeMain, {});
  expect(exitCode).toBe(2);
  expect(output).toContain('EVENT_STORE_NODE_DATABASE_URL is not set');
});
