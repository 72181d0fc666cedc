import { randomUUID } from 'node:crypto';
import { constants } from 'node:http2';
import { Client } from 'pg';
import { delimitedField } from '../../../apps/shared/protobuf/protobuf-writer';
import { nilUuid } from '../../../apps/event-store-node/wire/uuid';
import { eventually } from '../../support/eventually';
import { allEvents, startTestNode, testEvent, type TestNode } from '../../support/event-store-node';
import { batchPart, batchReplies, noStreamOptions, proposed, RawCall, resetWithin } from './raw-call';

let node: TestNode;
let calls: RawCall[] = [];
beforeAll(async () => (node = await startTestNode()));
afterEach(() => {
  for (const call of calls) call.destroy();
  calls = [];
});
afterAll(() => node?.stop());

function open(method: 'Append' | 'BatchAppend'): RawCall {
  const call = new RawCall(node.port(), method);
  calls.push(call);
  return call;
}

/** A call with that many whole appends sent, each of one event to a stream of its own. */
function openBatch(count: number): { call: RawCall; eventIds: Map<string, string> } {
  const call = open('BatchAppend');
  const eventIds = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const [correlationId, eventId] = [randomUUID(), randomUUID()];
    eventIds.set(correlationId, eventId);
    const options = noStreamOptions(`raw-${correlationId}`);
    call.send(batchPart({ correlationId, options, events: [proposed(eventId)] }));
  }
  return { call, eventIds };
}

async function storedIds(): Promise<string[]> {
  return (await allEvents(node.client())).map(({ id }) => id);
}

/** Lets no append commit until released. */
async function holdCommits(): Promise<{ release(): Promise<void> }> {
  const holder = new Client({ connectionString: node.databaseUrl });
  await holder.connect();
  await holder.query('begin; lock table appends in share mode');
  return { release: () => holder.end() };
}

async function untilWaitingForLock(): Promise<void> {
  const observer = new Client({ connectionString: node.databaseUrl });
  await observer.connect();
  try {
    await eventually(async () => {
      const { rows } = await observer.query(`select 1 from pg_locks where not granted`);
      expect(rows).toHaveLength(1);
    });
  } finally {
    await observer.end();
  }
}

describe('BatchAppend', () => {
  test('answers everything that is pending at half-close, then ends', async () => {
    const { call, eventIds } = openBatch(50);
    call.halfClose();
    expect(await call.status).toBe('0');
    expect(new Map(batchReplies(call))).toEqual(new Map([...eventIds.keys()].map((id) => [id, 'success'])));
    expect(await storedIds()).toEqual(expect.arrayContaining([...eventIds.values()]));
  });

  test('answers parts that are never completed with a timeout at their deadline, and writes nothing', async () => {
    const call = open('BatchAppend');
    const [correlationId, eventId] = [randomUUID(), randomUUID()];
    const options = noStreamOptions('never-completed', 300);
    const startedAt = performance.now();
    call.send(batchPart({ correlationId, options, events: [proposed(eventId)], isFinal: false }));
    await eventually(() => expect(batchReplies(call)).toEqual([[correlationId, 'Timeout']]));
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(290);
    // The rest comes too late: it belongs to nothing any more.
    call.send(batchPart({ correlationId }));
    call.halfClose();
    expect(await call.status).toBe('0');
    expect(batchReplies(call)).toHaveLength(1);
    expect(await storedIds()).not.toContain(eventId);
  });

  test('waits at half-close for the deadline of what is incomplete, then ends', async () => {
    const call = open('BatchAppend');
    const correlationId = randomUUID();
    call.send(batchPart({ correlationId, options: noStreamOptions('cut-off', 200), isFinal: false }));
    call.halfClose();
    expect(await call.status).toBe('0');
    expect(batchReplies(call)).toEqual([[correlationId, 'Timeout']]);
  });

  test.each([
    ['options that are no message', Buffer.from([0xff, 0xff])],
    ['a stream identifier that runs past its end', Buffer.from([0x0a, 0x7f])],
    ['no stream name', noStreamOptions('')],
    ['no expectation', delimitedField(1, delimitedField(3, 'without-expectation'))],
  ])('refuses %s under its correlation id, and the call goes on', async (_name, options) => {
    const { call, eventIds } = openBatch(1);
    const refused = randomUUID();
    call.send(batchPart({ correlationId: refused, options, events: [proposed()] }));
    call.halfClose();
    expect(await call.status).toBe('0');
    expect(new Map(batchReplies(call))).toEqual(
      new Map([[refused, 'BadRequest'], ...[...eventIds.keys()].map((id) => [id, 'success'] as const)]),
    );
  });

  test.each(['', 'no uuid', nilUuid])(
    'refuses the correlation id %j under it, and the call goes on',
    async (id) => {
      const { call, eventIds } = openBatch(1);
      call.send(batchPart({ correlationId: id, options: noStreamOptions('unnamed'), events: [proposed()] }));
      call.halfClose();
      expect(await call.status).toBe('0');
      expect(new Map(batchReplies(call))).toEqual(
        new Map([[id, 'BadRequest'], ...[...eventIds.keys()].map((key) => [key, 'success'] as const)]),
      );
    },
  );

  test('goes on with a call that had to wait for room when all before it has timed out', async () => {
    const hold = await holdCommits();
    const call = open('BatchAppend');
    const send = (name: string, data: Buffer): void => {
      const options = noStreamOptions(name);
      call.send(batchPart({ correlationId: randomUUID(), options, events: [proposed(randomUUID(), data)] }));
    };
    try {
      // More than the 64 MiB that may wait and the 8 MiB that may be on their way.
      for (let index = 0; index < 80; index++) send(`waits-${index}`, Buffer.alloc(1_000_000));
      await eventually(() => expect(batchReplies(call).length).toBeGreaterThan(70), 20_000);
    } finally {
      await hold.release();
    }
    send('after the wait', Buffer.from('{}'));
    await eventually(() => expect(batchReplies(call)).toHaveLength(81), 20_000);
    expect(batchReplies(call).at(-1)?.[1]).toBe('success');
  });
});

describe('Append', () => {
  const parts = (streamName: string, eventId: string): Buffer[] => [
    delimitedField(1, noStreamOptions(streamName)),
    delimitedField(2, proposed(eventId)),
  ];

  test.each([
    ['cancelled', constants.NGHTTP2_CANCEL],
    ['reset without an error', constants.NGHTTP2_NO_ERROR],
  ])('that is %s before it is whole writes nothing', async (name, code) => {
    const eventId = randomUUID();
    await resetWithin(node.port(), 'Append', parts(`broken-off-${name}`, eventId), code);
    await node.client().appendToStream(`behind-${name}`, testEvent());
    expect(await storedIds()).not.toContain(eventId);
  });

  test('that ends within a message writes nothing', async () => {
    const eventId = randomUUID();
    const call = open('Append');
    for (const body of parts('truncated', eventId)) call.send(body);
    call.sendRaw(Buffer.from([0, 0, 0, 0, 9, 1]));
    call.halfClose();
    expect(await call.status).toBe('13');
    expect(await storedIds()).not.toContain(eventId);
  });

  test('that is whole is written', async () => {
    const eventId = randomUUID();
    const call = open('Append');
    for (const body of parts('whole', eventId)) call.send(body);
    call.halfClose();
    expect(await call.status).toBe('0');
    expect(await storedIds()).toContain(eventId);
  });
});

describe('SIGTERM with appends pending', () => {
  test('answers each, takes no later one, and has in the log what it acknowledged', async () => {
    const hold = await holdCommits();
    let pending: ReturnType<typeof openBatch>;
    const late = { correlationId: randomUUID(), eventId: randomUUID() };
    try {
      pending = openBatch(50);
      await untilWaitingForLock();
      node.process().kill('SIGTERM');
      await eventually(() => expect(node.process().output()).toContain('stopping'));
      const { correlationId, eventId } = late;
      const options = noStreamOptions('too-late');
      pending.call.send(batchPart({ correlationId, options, events: [proposed(eventId)] }));
    } finally {
      await hold.release();
    }
    expect(await pending.call.status).toBe('14');
    expect(await node.process().exited).toBe(0);
    const replies = new Map(batchReplies(pending.call));
    expect(replies).toEqual(new Map([...pending.eventIds.keys()].map((id) => [id, 'success'])));
    await node.restart();
    const stored = await storedIds();
    expect(stored).toEqual(expect.arrayContaining([...pending.eventIds.values()]));
    expect(stored).not.toContain(late.eventId);
    expect(new Set(stored).size).toBe(stored.length);
  });

  test('ends all the same when PostgreSQL is away: the appends time out, and none is acknowledged', async () => {
    process.kill(node.postgres.server.pid, 'SIGKILL');
    try {
      const { call, eventIds } = openBatch(5);
      await eventually(() => expect(node.process().output()).toContain('lost the connection that writes'));
      const startedAt = performance.now();
      node.process().kill('SIGTERM');
      expect(await call.status).toBe('14');
      expect(await node.process().exited).toBe(0);
      const replies = batchReplies(call);
      expect(replies.filter(([, outcome]) => outcome !== 'Timeout')).toEqual([]);
      expect(replies).toHaveLength(eventIds.size);
      expect(performance.now() - startedAt).toBeLessThan(8_000);
    } finally {
      await node.postgres.server.restart();
    }
    await node.restart();
  });
});
