import { ProtobufReader } from '../protobuf/protobuf-reader';
import type { LogRecord } from './event-store';

const jsonContentType = 'application/json';

/** Everything of a record that is not its two bodies. */
interface RecordHead {
  readonly id: string;
  readonly streamName: string;
  readonly type: string;
  readonly revision: number;
  readonly position: bigint;
  readonly createdAtMs: number;
  readonly isJson: boolean;
}

/** A record over the bytes it came in. JSON is parsed when somebody asks for it: a count of records parses none. */
export class StoredRecord implements LogRecord {
  readonly id: string;
  readonly streamName: string;
  readonly type: string;
  readonly revision: number;
  readonly position: bigint;
  readonly createdAtMs: number;
  readonly byteCount: number;
  private readonly isJson: boolean;
  private parsedMetadata: Record<string, unknown> | undefined;
  private parsedData: LogRecord['data'] | undefined;

  constructor(
    head: RecordHead,
    private readonly metadataBytes: Buffer,
    private readonly dataBytes: Buffer,
  ) {
    this.id = head.id;
    this.streamName = head.streamName;
    this.type = head.type;
    this.revision = head.revision;
    this.position = head.position;
    this.createdAtMs = head.createdAtMs;
    this.isJson = head.isJson;
    this.byteCount = metadataBytes.length + dataBytes.length;
  }

  get metadata(): Record<string, unknown> {
    this.parsedMetadata ??= objectIn(this.metadataBytes) ?? {};
    return this.parsedMetadata;
  }

  get data(): LogRecord['data'] {
    this.parsedData ??= (this.isJson ? objectIn(this.dataBytes) : null) ?? this.dataBytes;
    return this.parsedData;
  }
}

/**
 * `RecordedEvent { 1 id { 2 string }, 2 stream { 3 name }, 3 revision, 5 commit position, 6 type, content-type and created
 * as a map, 7 custom metadata, 8 data }`. Revisions at and above 2^53 lose their low bits; only a tombstone has one.
 */
export function readRecordedEvent(body: Buffer): StoredRecord {
  const head = { id: '', streamName: '', type: '', revision: 0, position: 0n, createdAtMs: 0, isJson: false };
  let metadata: Buffer = empty;
  let data: Buffer = empty;
  const reader = new ProtobufReader(body);
  while (reader.next()) {
    if (reader.field === 1) head.id = textField(reader.message(), 2);
    else if (reader.field === 2) head.streamName = textField(reader.message(), 3);
    else if (reader.field === 3) head.revision = reader.varint();
    else if (reader.field === 5) head.position = reader.uint64();
    else if (reader.field === 6) readMapEntry(reader.message(), head);
    else if (reader.field === 7) metadata = reader.bytes();
    else if (reader.field === 8) data = reader.bytes();
  }
  return new StoredRecord(head, metadata, data);
}

const empty = Buffer.alloc(0);

function textField(reader: ProtobufReader, field: number): string {
  let text = '';
  while (reader.next()) if (reader.field === field) text = reader.string();
  return text;
}

/** `created` is in ticks of 100 ns, more than a number holds. */
function readMapEntry(
  reader: ProtobufReader,
  head: { type: string; createdAtMs: number; isJson: boolean },
): void {
  let key = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.string();
  }
  if (key === 'type') head.type = value;
  else if (key === 'content-type') head.isJson = value === jsonContentType;
  else if (key === 'created') head.createdAtMs = Number(value.slice(0, -4));
}

function objectIn(bytes: Buffer): Record<string, unknown> | null {
  if (bytes.length === 0) return null;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
