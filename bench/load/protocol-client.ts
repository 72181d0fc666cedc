import { once } from 'node:events';
import { connect } from 'node:http2';
import { randomUUID } from 'node:crypto';
import { framed, MessageAssembler } from '../../apps/shared/grpc/message-framing';
import { ProtobufReader } from '../../apps/shared/protobuf/protobuf-reader';
import {
  delimitedField,
  emptyMessage,
  message,
  varintField,
} from '../../apps/shared/protobuf/protobuf-writer';
import type { AppendStore } from './append-store';
import { openEventStoreClient } from './event-store-client';
import type { PlannedAppend, PlannedEvent } from './workload';

const windowBytes = 1024 * 1024;

/**
 * The `BatchAppend` call by hand, as cheap as it can be made: what a server does when the official client is not the limit. Reads
 * back through the official client.
 */
export async function openProtocolClient(url: string): Promise<AppendStore> {
  const reader = await openEventStoreClient({ url, binary: false });
  const { host } = new URL(url.replace(/^esdb:/, 'http:'));
  const session = connect(`http://${host}`, { settings: { initialWindowSize: windowBytes } });
  await once(session, 'connect');
  const call = session.request({
    ':method': 'POST',
    ':path': '/event_store.client.streams.Streams/BatchAppend',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const pending = new Map<
    string,
    { resolve: () => void; reject: (error: Error) => void; revision: number }
  >();
  const failAll = (error: Error): void => {
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  call.on('error', failAll).on('close', () => failAll(new Error('BatchAppend has ended')));
  const assembler = new MessageAssembler(windowBytes);
  call.on('data', (chunk: Buffer) => {
    for (const answer of assembler.push(chunk)) {
      const { correlationId, revision } = readAnswer(answer);
      const waiting = pending.get(correlationId);
      pending.delete(correlationId);
      if (revision === waiting?.revision) waiting.resolve();
      else waiting?.reject(new Error(`acknowledged at ${revision}, not at ${waiting.revision}`));
    }
  });
  return {
    append: (append) =>
      new Promise((resolve, reject) => {
        const correlationId = randomUUID();
        pending.set(correlationId, { resolve, reject, revision: append.expected + append.events.length });
        call.write(framed(encodeRequest(correlationId, append)));
      }),
    readBack: () => reader.readBack(),
    close: async () => {
      session.destroy();
      await reader.close();
    },
  };
}

/** `BatchAppendReq { 1 correlation_id { 2 string }, 2 options { 1 { 3 name }, 2 position | 3 none }, 3 messages*, 4 is_final }`. */
function encodeRequest(correlationId: string, { streamName, expected, events }: PlannedAppend): Buffer {
  return message(
    delimitedField(1, delimitedField(2, correlationId)),
    delimitedField(
      2,
      message(
        delimitedField(1, delimitedField(3, streamName)),
        expected < 0 ? delimitedField(3, emptyMessage) : varintField(2, expected),
      ),
    ),
    ...events.map(proposedMessage),
    varintField(4, 1),
  );
}

const contentType = metadataEntry('content-type', 'application/json');

/** `ProposedMessage { 1 id { 2 string }, 2 metadata*, 3 custom_metadata, 4 data }`. */
function proposedMessage({ id, type, data }: PlannedEvent): Buffer {
  return delimitedField(
    3,
    message(
      delimitedField(1, delimitedField(2, id)),
      metadataEntry('type', type),
      contentType,
      delimitedField(4, JSON.stringify(data)),
    ),
  );
}

function metadataEntry(key: string, value: string): Buffer {
  return delimitedField(2, message(delimitedField(1, key), delimitedField(2, value)));
}

/** `BatchAppendResp { 1 correlation_id { 2 string }, 2 error, 3 success { 1 current_revision } }`; −1 for an error. */
function readAnswer(body: Buffer): { correlationId: string; revision: number } {
  let correlationId = '';
  let revision = -1;
  const reader = new ProtobufReader(body);
  while (reader.next()) {
    if (reader.field === 1) {
      const id = reader.message();
      while (id.next()) if (id.field === 2) correlationId = id.string();
    } else if (reader.field === 3) {
      revision = 0;
      const success = reader.message();
      while (success.next()) if (success.field === 1) revision = success.varint();
    }
  }
  return { correlationId, revision };
}
