import fc from 'fast-check';
import { ReadResp } from '@eventstore/db-client/generated/streams_pb';
import {
  decodeEventFrame,
  eventData,
  splitFrames,
  withStructuredId,
  type ProposedEvent,
} from '../../../apps/event-store-node/wire/event-frames';
import { encodeGroup } from '../../../apps/event-store-node/storage/group-encoding';
import { ProtobufReader, uint63Max, WireError } from '../../../apps/shared/protobuf/protobuf-reader';

const proposed = fc.record({
  id: fc.uuid(),
  type: fc.string({ minLength: 1, unit: 'grapheme' }),
  isJson: fc.boolean(),
  customMetadata: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  data: fc.uint8Array({ maxLength: 20_000 }).map((bytes) => Buffer.from(bytes)),
});

/** The frames of one append, as the node stores them. */
function encodeEventFrames(
  streamName: string,
  events: readonly ProposedEvent[],
  revision: number,
  position: number,
  createdAtMs: number,
): Buffer {
  const { rows } = encodeGroup([{ position, streamName, revision, events }], createdAtMs);
  return rows[0]?.frames ?? Buffer.alloc(0);
}

/** What the official client's own decoder finds in a frame. */
function official(frame: Buffer) {
  expect(frame.readUInt32BE(1)).toBe(frame.length - 5);
  const event = ReadResp.deserializeBinary(frame.subarray(5)).getEvent()?.getEvent();
  if (event === undefined) throw new Error('not an event');
  return event;
}

describe('stored frames', () => {
  test('are what the official decoder expects, for every event of an append', () => {
    fc.assert(
      fc.property(
        fc.array(proposed, { minLength: 1, maxLength: 5 }),
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.nat(2 ** 31 - 1),
        fc.integer({ min: 1024, max: 2 ** 52 }),
        (events, streamName, revision, position) => {
          const frames = splitFrames(
            encodeEventFrames(streamName, events, revision, position, 1_700_000_000_123),
          );
          expect(frames).toHaveLength(events.length);
          for (const [index, event] of events.entries()) {
            const frame = frames[index] ?? Buffer.alloc(0);
            const read = official(frame);
            expect(read.getId()?.getString()).toBe(event.id);
            expect(Buffer.from(read.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString()).toBe(
              streamName,
            );
            expect(read.getStreamRevision()).toBe(String(revision + index));
            expect(read.getCommitPosition()).toBe(String(position + index));
            expect(read.getPreparePosition()).toBe(String(position + index));
            expect(read.getMetadataMap().get('type')).toBe(event.type);
            expect(read.getMetadataMap().get('created')).toBe('17000000001230000');
            expect(read.getMetadataMap().get('content-type')).toBe(
              event.isJson ? 'application/json' : 'application/octet-stream',
            );
            expect(Buffer.from(read.getData_asU8()).equals(event.data)).toBe(true);
            expect(Buffer.from(read.getCustomMetadata_asU8()).equals(event.customMetadata)).toBe(true);
            expect(decodeEventFrame(frame)).toMatchObject({
              id: event.id,
              type: event.type,
              createdAtMs: 1_700_000_000_123,
            });
            expect(eventData(frame).equals(event.data)).toBe(true);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('carry the id as two numbers where that is asked for', () => {
    const id = 'fedcba98-7654-3210-0123-456789abcdef';
    const event = { id, type: 'T', isJson: true, customMetadata: Buffer.alloc(0), data: Buffer.from('{}') };
    const structured = withStructuredId(encodeEventFrames('s', [event], 0, 2000, 1), 2000);
    const read = official(structured);
    expect(read.getId()?.getStructured()?.getMostSignificantBits()).toBe(
      BigInt.asIntN(64, 0xfedcba9876543210n).toString(),
    );
    expect(read.getId()?.getStructured()?.getLeastSignificantBits()).toBe(0x0123456789abcdefn.toString());
    expect(decodeEventFrame(structured)).toMatchObject({ id, type: 'T' });
  });

  test('a tombstone has the largest revision', () => {
    const event = {
      id: '',
      type: '$streamDeleted',
      isJson: false,
      customMetadata: Buffer.alloc(0),
      data: Buffer.alloc(0),
    };
    const frame = encodeEventFrames(
      's',
      [{ ...event, id: '00000000-0000-4000-8000-000000000000' }],
      uint63Max,
      2000,
      1,
    );
    expect(official(frame).getStreamRevision()).toBe('9223372036854775807');
  });
});

describe('the protobuf reader', () => {
  test('any bytes are either fields or a WireError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const reader = new ProtobufReader(Buffer.from(bytes));
        try {
          while (reader.next());
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
    );
  });

  test.each([
    ['2^63 - 1', 'ffffffffffffffff7f'],
    ['2^64 - 1', 'ffffffffffffffffff01'],
  ])('%s is the largest value', (_name, varint) => {
    const reader = new ProtobufReader(Buffer.from(`08${varint}`, 'hex'));
    expect(reader.next()).toBe(true);
    expect(reader.varint()).toBe(uint63Max);
  });
});
