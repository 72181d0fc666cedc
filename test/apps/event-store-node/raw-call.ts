import { randomUUID } from 'node:crypto';
import { createConnection } from 'node:net';
import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2';
import { framed, MessageAssembler } from '../../../apps/shared/grpc/message-framing';
import { streamIdentifierMessage } from '../../../apps/event-store-node/wire/append-messages';
import { ProtobufReader } from '../../../apps/shared/protobuf/protobuf-reader';
import {
  delimitedField,
  emptyMessage,
  message,
  varintField,
} from '../../../apps/shared/protobuf/protobuf-writer';
import { readUuid, uuidMessage } from '../../../apps/event-store-node/wire/uuid';

/** One gRPC call as bytes on HTTP/2: for what the official client never does. */
export class RawCall {
  /** Messages of the answer. */
  readonly bodies: Buffer[] = [];
  /** The grpc-status, or null when the stream ended without one. */
  readonly status: Promise<string | null>;
  private readonly session: ClientHttp2Session;
  private readonly stream: ClientHttp2Stream;

  constructor(port: number, method: 'Append' | 'BatchAppend') {
    // With more than 10 MB unsent, a client refuses the headers of its own answer.
    this.session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 200 });
    this.session.on('error', () => undefined);
    this.stream = this.session.request({
      ...{ ':method': 'POST', ':path': `/event_store.client.streams.Streams/${method}` },
      ...{ 'content-type': 'application/grpc', te: 'trailers' },
    });
    const assembler = new MessageAssembler(1024 * 1024);
    this.stream.on('data', (chunk: Buffer) => this.bodies.push(...assembler.push(chunk)));
    this.stream.on('error', () => undefined);
    this.status = new Promise((resolve) => {
      const learn = (headers: IncomingHttpHeaders): void => {
        if (headers['grpc-status'] !== undefined) resolve(String(headers['grpc-status']));
      };
      this.stream.on('response', learn).on('trailers', learn);
      this.stream.on('close', () => resolve(null));
    });
  }

  send(body: Buffer): void {
    this.stream.write(framed(body));
  }

  /** Bytes that are no whole message. */
  sendRaw(bytes: Buffer): void {
    this.stream.write(bytes);
  }

  halfClose(): void {
    this.stream.end();
  }

  /** Breaks the connection without a word. */
  destroy(): void {
    this.session.destroy();
  }
}

const frameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6 } as const;

/**
 * Sends messages of one call, then RST_STREAM, and waits until the node has seen it. By hand: node:http2 puts an
 * END_STREAM before its own resets, other clients do not.
 */
export async function resetWithin(
  port: number,
  method: string,
  bodies: readonly Buffer[],
  code: number,
): Promise<void> {
  const socket = createConnection({ host: '127.0.0.1', port });
  const headers = {
    ...{ ':method': 'POST', ':scheme': 'http', ':authority': '127.0.0.1' },
    ...{ ':path': `/event_store.client.streams.Streams/${method}`, 'content-type': 'application/grpc' },
  };
  // HPACK: literal fields without indexing and without Huffman coding (RFC 7541 §6.2.2).
  const fields = Object.entries(headers).flatMap(([name, value]) => [
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(http2Frame(frameType.settings, 0, 0));
  socket.write(http2Frame(frameType.headers, 4, 1, Buffer.concat(fields)));
  socket.write(http2Frame(frameType.data, 0, 1, Buffer.concat(bodies.map(framed))));
  const ping = http2Frame(frameType.ping, 0, 0, Buffer.from('answered'));
  socket.write(ping);
  let answers = 0;
  try {
    for await (const chunk of socket) {
      if (!(chunk as Buffer).includes('answered')) continue;
      if (++answers === 2) return;
      // Only now: what comes in one piece with the messages could keep them from being read at all.
      socket.write(Buffer.concat([http2Frame(frameType.reset, 0, 1, Buffer.from([0, 0, 0, code])), ping]));
    }
    throw new Error('the node closed the connection');
  } finally {
    socket.destroy();
  }
}

function http2Frame(type: number, flags: number, streamId: number, payload = emptyMessage): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** `ProposedMessage` of an event with an empty JSON object, or these bytes. */
export function proposed(id: string = randomUUID(), data: Buffer | string = '{}'): Buffer {
  return message(
    delimitedField(1, uuidMessage(id, 'string')),
    delimitedField(2, mapEntry('type', 'Raw')),
    delimitedField(2, mapEntry('content-type', 'application/json')),
    delimitedField(4, data),
  );
}

/** Options that expect no stream, with the deadline of BatchAppend if one is given. */
export function noStreamOptions(streamName: string, deadlineMs?: number): Buffer {
  return message(
    delimitedField(1, streamIdentifierMessage(streamName)),
    delimitedField(3, emptyMessage),
    ...(deadlineMs === undefined ? [] : [delimitedField(7, varintField(2, deadlineMs * 1_000_000))]),
  );
}

export interface BatchPart {
  readonly correlationId: string;
  readonly options?: Buffer;
  readonly events?: readonly Buffer[];
  readonly isFinal?: boolean;
}

export function batchPart({ correlationId, options, events = [], isFinal = true }: BatchPart): Buffer {
  return message(
    delimitedField(1, uuidMessage(correlationId, 'string')),
    ...(options === undefined ? [] : [delimitedField(2, options)]),
    ...events.map((event) => delimitedField(3, event)),
    ...(isFinal ? [varintField(4, 1)] : []),
  );
}

/** Of each reply the correlation id and `success`, or the name of its error; in order of arrival. */
export function batchReplies(call: RawCall): [correlationId: string, outcome: string][] {
  return call.bodies.map((body) => {
    const reader = new ProtobufReader(body);
    let correlationId = '';
    let outcome = '';
    while (reader.next()) {
      if (reader.field === 1) correlationId = readUuid(reader.message()).text;
      else if (reader.field === 2) outcome = statusMessage(reader.message());
      else if (reader.field === 3) outcome = 'success';
    }
    return [correlationId, outcome];
  });
}

function statusMessage(reader: ProtobufReader): string {
  let text = '';
  while (reader.next()) if (reader.field === 2) text = reader.string();
  return text;
}

function mapEntry(key: string, value: string): Buffer {
  return message(delimitedField(1, key), delimitedField(2, value));
}
