import {
  ANY,
  NO_STREAM,
  STREAM_EXISTS,
  StreamNotFoundError,
  type AppendExpectedRevision,
} from '@eventstore/db-client';
import {
  BadRequest,
  MaximumAppendSizeExceeded,
  StreamDeleted,
  Timeout,
  UUID,
  WrongExpectedVersion,
} from '@eventstore/db-client/generated/shared_pb';
import type { Status } from '@eventstore/db-client/generated/status_pb';
import { BatchAppendResp } from '@eventstore/db-client/generated/streams_pb';
import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually';
import { allOf, failureOf, positionNow, typesOf } from './support/reading';
import { batchPart, structuredUuid, uuidText, type BatchPart, type Proposal } from './support/requests';
import type { RpcCall } from './support/rpc-call';
import { describeOnEachServer, newStream, onlyOnOurNode, streamOf } from './support/servers';

const typeUrlPrefix = 'type.googleapis.com/event_store.client.';
const code = { unknown: 2, invalidArgument: 3, deadlineExceeded: 4, notFound: 5, alreadyExists: 6 } as const;

/** The reply to `correlationId`, once it has come. */
async function replyTo(call: RpcCall<BatchAppendResp>, correlationId: string): Promise<BatchAppendResp> {
  return eventually(() => {
    const reply = call.messages.find((message) => uuidText(message.getCorrelationId()) === correlationId);
    if (reply === undefined) throw new Error(`no reply came to correlation id ${correlationId}`);
    return reply;
  });
}

function errorOf(reply: BatchAppendResp): Status {
  const error = reply.getError();
  if (error === undefined) throw new Error('The append succeeded, and should have failed');
  return error;
}

/** Checks code and name of an error and unpacks its details. */
function details<T>(
  error: Status,
  expectedCode: number,
  name: string,
  type: { deserializeBinary(bytes: Uint8Array): T },
): T {
  expect(error.getCode()).toBe(expectedCode);
  expect(error.getMessage()).toBe(name);
  expect(error.getDetails()?.getTypeUrl()).toBe(`${typeUrlPrefix}${name}`);
  return type.deserializeBinary(error.getDetails()?.getValue_asU8() ?? new Uint8Array());
}

const textOf = (bytes: Uint8Array | string | undefined): string => Buffer.from(bytes ?? '').toString();

// event-store.md §4, "BatchAppend replies".
describeOnEachServer('batch append', (server) => {
  /** One append over a call of its own. */
  async function appendOnce(part: BatchPart): Promise<BatchAppendResp> {
    const correlationId = randomUUID();
    const call = server.protocol().batchAppend(batchPart({ correlationId, ...part }));
    return replyTo(call, correlationId);
  }

  test('a reply echoes correlation id and stream, and not the expectation', async () => {
    const [correlationId, streamName] = [randomUUID(), newStream()];
    const call = server.protocol().batchAppend(batchPart({ correlationId, streamName, expected: NO_STREAM }));
    const reply = await replyTo(call, correlationId);
    expect(reply.getCorrelationId()?.getString()).toBe(correlationId);
    expect(textOf(reply.getStreamIdentifier()?.getStreamName())).toBe(streamName);
    expect(reply.getExpectedStreamPositionCase()).toBe(
      BatchAppendResp.ExpectedStreamPositionCase.EXPECTED_STREAM_POSITION_NOT_SET,
    );
  });

  test('success carries the revision and position of the last event', async () => {
    const streamName = newStream();
    const before = await positionNow(server.client());
    const events = [{ type: 'a' }, { type: 'b' }, { type: 'c' }];
    const success = (await appendOnce({ streamName, expected: NO_STREAM, events })).getSuccess();
    const stored = await allOf(server.client(), streamName, before);
    expect(success?.getCurrentRevision()).toBe('2');
    expect(success?.getPosition()?.getCommitPosition()).toBe(String(stored.at(-1)?.position.commit));
    expect(success?.getPosition()?.getPreparePosition()).toBe(String(stored.at(-1)?.position.prepare));
  });

  test('success of nothing on a missing stream says that there is no stream, and has a position', async () => {
    const reply = await appendOnce({ streamName: newStream(), expected: NO_STREAM, events: [] });
    expect(reply.getSuccess()?.hasNoStream()).toBe(true);
    expect(reply.getSuccess()?.hasPosition()).toBe(true);
  });

  test('a repetition of what was soft-deleted succeeds with no_position', async () => {
    const streamName = newStream();
    const events = [{ id: randomUUID() }];
    await appendOnce({ streamName, expected: NO_STREAM, events });
    await server.client().deleteStream(streamName);
    const success = (await appendOnce({ streamName, expected: NO_STREAM, events })).getSuccess();
    expect(success?.getCurrentRevision()).toBe('0');
    expect(success?.hasNoPosition()).toBe(true);
  });

  describe('WrongExpectedVersion, code 6', () => {
    test.each<[string, AppendExpectedRevision, Partial<WrongExpectedVersion.AsObject>]>([
      ['an exact revision', 7n, { expectedStreamPosition: '7' }],
      ['NO_STREAM', NO_STREAM, { expectedNoStream: {} }],
    ])('tells the current revision and the expectation: %s', async (_name, expected, fields) => {
      const streamName = await streamOf(server.client(), 'ab');
      const error = errorOf(await appendOnce({ streamName, expected }));
      const detail = details(error, code.alreadyExists, 'WrongExpectedVersion', WrongExpectedVersion);
      expect(detail.getCurrentStreamRevision()).toBe('1');
      expect(detail.toObject()).toMatchObject(fields);
    });

    test.each<[string, AppendExpectedRevision, Partial<WrongExpectedVersion.AsObject>]>([
      ['an exact revision', 7n, { expectedStreamPosition: '7' }],
      ['STREAM_EXISTS', STREAM_EXISTS, { expectedStreamExists: {} }],
    ])('tells that there is no stream: %s', async (_name, expected, fields) => {
      const error = errorOf(await appendOnce({ streamName: newStream(), expected }));
      const detail = details(error, code.alreadyExists, 'WrongExpectedVersion', WrongExpectedVersion);
      expect(detail.hasCurrentNoStream()).toBe(true);
      expect(detail.toObject()).toMatchObject(fields);
    });

    test('names ANY where the first event is known and a later one is not', async () => {
      const streamName = newStream();
      const events = [{ id: randomUUID() }];
      await appendOnce({ streamName, expected: NO_STREAM, events });
      const reply = await appendOnce({ streamName, expected: ANY, events: [...events, {}] });
      const detail = details(
        errorOf(reply),
        code.alreadyExists,
        'WrongExpectedVersion',
        WrongExpectedVersion,
      );
      expect(detail.hasExpectedAny()).toBe(true);
    });
  });

  test('StreamDeleted, code 5, names the stream', async () => {
    const streamName = await streamOf(server.client(), 'a');
    await server.client().tombstoneStream(streamName);
    const error = errorOf(await appendOnce({ streamName, expected: ANY }));
    const detail = details(error, code.notFound, 'StreamDeleted', StreamDeleted);
    expect(textOf(detail.getStreamIdentifier()?.getStreamName())).toBe(streamName);
  });

  test('MaximumAppendSizeExceeded, code 3, tells the limit; the parts of an append are counted together', async () => {
    const call = server.protocol().batchAppend();
    const correlationId = randomUUID();
    // No server takes more than 16 MiB in one append, whatever it is set to; every server takes one of these parts.
    const [events, partCount] = [[{ data: Buffer.alloc(640 * 1024) }], 27];
    call.send(batchPart({ correlationId, streamName: newStream(), expected: ANY, events, isFinal: false }));
    for (let part = 2; part <= partCount; part++)
      call.send(batchPart({ correlationId, events, isFinal: part === partCount }));
    const error = errorOf(await replyTo(call, correlationId));
    const detail = details(
      error,
      code.invalidArgument,
      'MaximumAppendSizeExceeded',
      MaximumAppendSizeExceeded,
    );
    expect(detail.getMaxappendsize()).toBeGreaterThanOrEqual(1024 * 1024);
  });

  describe('BadRequest, code 3, under the correlation id; the call goes on', () => {
    const proposals: readonly (readonly [string, Proposal])[] = [
      ['an event id that is no UUID', { id: 'no-uuid' }],
      ['an empty event id', { id: '' }],
      ['an event id without a value', { id: new UUID() }],
      ['the nil event id', { id: '00000000-0000-0000-0000-000000000000' }],
      ['an empty event type', { type: '' }],
      ['no event type', { type: null }],
      ['no content type', { contentType: null }],
    ];
    const parts: readonly (readonly [string, BatchPart])[] = [
      ...proposals.map(([name, event]) => [name, { events: [event] }] as const),
      ['no expectation', { expected: undefined }],
      ['an empty stream name', { streamName: '' }],
    ];
    test.each(parts)('%s', async (_name, part) => {
      const [refused, accepted] = [randomUUID(), randomUUID()];
      const options: BatchPart = { streamName: newStream(), expected: NO_STREAM };
      const call = server.protocol().batchAppend(batchPart({ ...options, correlationId: refused, ...part }));
      const error = errorOf(await replyTo(call, refused));
      expect(details(error, code.invalidArgument, 'BadRequest', BadRequest).getMessage()).not.toBe('');
      call.send(batchPart({ ...options, correlationId: accepted }));
      expect((await replyTo(call, accepted)).hasSuccess()).toBe(true);
    });
  });

  test.each([
    ['that is no UUID', 'no-uuid'],
    ['that is empty', ''],
    ['that is nil', '00000000-0000-0000-0000-000000000000'],
  ])('a correlation id %s is a BadRequest under that very id; the call goes on', async (_name, refused) => {
    const [accepted, streamName] = [randomUUID(), newStream()];
    const options: BatchPart = { streamName, expected: NO_STREAM };
    const call = server.protocol().batchAppend(batchPart({ ...options, correlationId: refused }));
    details(errorOf(await replyTo(call, refused)), code.invalidArgument, 'BadRequest', BadRequest);
    call.send(batchPart({ ...options, correlationId: accepted }));
    expect((await replyTo(call, accepted)).getSuccess()?.getCurrentRevision()).toBe('0');
  });

  test('ids may come in structured form; the reply has the same correlation id', async () => {
    const [correlationId, id, streamName] = [randomUUID(), randomUUID(), newStream()];
    const before = await positionNow(server.client());
    const call = server.protocol().batchAppend(
      batchPart({
        ...{ correlationId: structuredUuid(correlationId), streamName, expected: NO_STREAM },
        events: [{ id: structuredUuid(id) }],
      }),
    );
    expect((await replyTo(call, correlationId)).hasSuccess()).toBe(true);
    expect((await allOf(server.client(), streamName, before)).map((event) => event.id)).toEqual([id]);
  });

  test('many appends of one call are each answered once, in whatever order', async () => {
    const ids = Array.from({ length: 200 }, () => randomUUID());
    const call = server.protocol().batchAppend();
    for (const correlationId of ids)
      call.send(
        batchPart({ correlationId, streamName: `conformance-${correlationId}`, expected: NO_STREAM }),
      );
    await Promise.all(ids.map((correlationId) => replyTo(call, correlationId)));
    expect(call.messages.every((reply) => reply.hasSuccess())).toBe(true);
    expect(call.messages.map((reply) => uuidText(reply.getCorrelationId())).sort()).toEqual([...ids].sort());
    for (const reply of call.messages)
      expect(textOf(reply.getStreamIdentifier()?.getStreamName())).toBe(
        `conformance-${uuidText(reply.getCorrelationId())}`,
      );
  });

  describe('an append in parts', () => {
    test('is written whole when the last part has come, parts of others between them', async () => {
      const [one, other] = [randomUUID(), randomUUID()];
      const [streamName, otherStream] = [newStream(), newStream()];
      const call = server.protocol().batchAppend();
      const part = (correlationId: string, type: string, isFinal: boolean, rest: BatchPart = {}) =>
        call.send(batchPart({ correlationId, events: [{ type }], isFinal, ...rest }));
      part(one, 'a', false, { streamName, expected: NO_STREAM });
      part(other, 'x', false, { streamName: otherStream, expected: NO_STREAM });
      part(one, 'b', false);
      part(other, 'y', true);
      part(one, 'c', true);
      expect((await replyTo(call, one)).getSuccess()?.getCurrentRevision()).toBe('2');
      expect((await replyTo(call, other)).getSuccess()?.getCurrentRevision()).toBe('1');
      expect(await typesOf(server.client(), streamName)).toBe('abc');
      expect(await typesOf(server.client(), otherStream)).toBe('xy');
    });

    test('is what the official client makes of many events', async () => {
      const streamName = newStream();
      const events = Array.from({ length: 60 }, (_, index) => ({
        ...{ id: randomUUID(), type: String(index % 10), contentType: 'application/json' as const },
        ...{ data: { filler: 'x'.repeat(500) }, metadata: undefined },
      }));
      const { nextExpectedRevision } = await server
        .client()
        .appendToStream(streamName, events, { expectedRevision: NO_STREAM, batchAppendSize: 4096 });
      expect(nextExpectedRevision).toBe(59n);
      expect(await typesOf(server.client(), streamName)).toBe('0123456789'.repeat(6));
    });

    test('ignores options in later parts', async () => {
      const [correlationId, streamName, later] = [randomUUID(), newStream(), newStream()];
      const call = server.protocol().batchAppend();
      call.send(batchPart({ correlationId, streamName, expected: NO_STREAM, isFinal: false }));
      call.send(batchPart({ correlationId, streamName: later, expected: 9n }));
      const reply = await replyTo(call, correlationId);
      expect(reply.getSuccess()?.getCurrentRevision()).toBe('1');
      expect(textOf(reply.getStreamIdentifier()?.getStreamName())).toBe(streamName);
      expect(await failureOf(typesOf(server.client(), later))).toBeInstanceOf(StreamNotFoundError);
    });

    test('that never began, or is answered, is ignored', async () => {
      const [unknown, correlationId, last, streamName] = [
        randomUUID(),
        randomUUID(),
        randomUUID(),
        newStream(),
      ];
      const call = server.protocol().batchAppend(batchPart({ correlationId: unknown }));
      call.send(batchPart({ correlationId, streamName, expected: NO_STREAM }));
      await replyTo(call, correlationId);
      call.send(batchPart({ correlationId }));
      call.send(batchPart({ correlationId: last, streamName, expected: 0n }));
      expect((await replyTo(call, last)).getSuccess()?.getCurrentRevision()).toBe('1');
      expect(call.messages).toHaveLength(2);
    });

    test('that is never completed is a Timeout after at most the write timeout of 2 s, and writes nothing', async () => {
      const [correlationId, streamName] = [randomUUID(), newStream()];
      const startedAt = performance.now();
      const part: BatchPart = { streamName, expected: NO_STREAM, deadlineMs: 60_000, isFinal: false };
      const call = server.protocol().batchAppend(batchPart({ correlationId, ...part }));
      details(errorOf(await replyTo(call, correlationId)), code.deadlineExceeded, 'Timeout', Timeout);
      expect(performance.now() - startedAt).toBeGreaterThan(1_500);
      // The rest comes too late: it belongs to nothing any more.
      call.send(batchPart({ correlationId }));
      const next = randomUUID();
      call.send(batchPart({ correlationId: next, streamName, expected: NO_STREAM }));
      expect((await replyTo(call, next)).getSuccess()?.getCurrentRevision()).toBe('0');
    });
  });

  describe('the deadline', () => {
    test.each<[string, BatchPart]>([
      ['a point of time', { deadlineMs: 300 }],
      ['a duration', { timeoutMs: 300 }],
    ])(
      'given as %s ends what is not complete; that Timeout has the id in structured form',
      async (_name, limit) => {
        const [correlationId, streamName] = [randomUUID(), newStream()];
        const startedAt = performance.now();
        const call = server
          .protocol()
          .batchAppend(
            batchPart({ correlationId, streamName, expected: NO_STREAM, isFinal: false, ...limit }),
          );
        const reply = await replyTo(call, correlationId);
        details(errorOf(reply), code.deadlineExceeded, 'Timeout', Timeout);
        expect(performance.now() - startedAt).toBeLessThan(1_900);
        expect(reply.getCorrelationId()?.hasStructured()).toBe(true);
      },
    );

    test.each<[string, BatchPart]>([
      ['a point of time in the past', { deadlineMs: -1_000 }],
      ['a duration of nothing', { timeoutMs: 0 }],
      ['a negative duration', { timeoutMs: -500 }],
    ])('%s is a Timeout at once, and writes nothing', async (_name, limit) => {
      const streamName = newStream();
      const reply = await appendOnce({ streamName, expected: NO_STREAM, ...limit });
      details(errorOf(reply), code.deadlineExceeded, 'Timeout', Timeout);
      expect(await failureOf(typesOf(server.client(), streamName))).toBeInstanceOf(StreamNotFoundError);
    });
  });

  onlyOnOurNode(server, 'drops replies or leaves the call open')(
    'half-close: everything pending is answered, then the call ends',
    async () => {
      const ids = Array.from({ length: 50 }, () => randomUUID());
      const call = server.protocol().batchAppend();
      for (const correlationId of ids)
        call.send(batchPart({ correlationId, streamName: newStream(), expected: NO_STREAM }));
      call.halfClose();
      expect((await call.end()).code).toBe(0);
      expect(call.messages.map((reply) => uuidText(reply.getCorrelationId())).sort()).toEqual(
        [...ids].sort(),
      );
    },
  );
});
