import { currentSchemaVersions, sealedFields, type MailfoldEvent } from '../../../domain/catalogue.events';
import type { EventMetadata, Recorded } from '../../../domain/event';
import { parseStreamName } from '../../../domain/stream-name';
import { KeyUnknown, type KeyRing } from '../keys/key-ring';
import { seal, SealBroken, sealedJsonKeyId, sealedKeyId, sealJson, unseal, unsealJson } from '../keys/seal';
import type { EventToAppend, LogEvent } from './event-store';
import { erasedFields, mailfoldSchemas, unreadableReason, upcast, type EventSchemas } from './upcasters';

/** An event as the wire carries it. Content chunks are bytes, all else is JSON, so that a server's own tools can show it. */
export interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly data: Uint8Array | Record<string, unknown>;
  readonly metadata: Record<string, unknown>;
}

export interface ReadEvent extends StoredEvent {
  readonly streamName: string;
  readonly revision: number;
  readonly position: bigint;
}

type Fields = Record<string, unknown>;

/**
 * Turns domain events into stored ones and back: seals and unseals personal fields and content, upcasts old versions.
 * A destroyed key is a normal outcome: the fields show their erased values, and a content chunk is empty.
 */
export interface EventCodec {
  encode(streamName: string, event: EventToAppend): Promise<StoredEvent>;
  /** Never throws for what is stored: what cannot be read comes back as undecodable, with the reason. */
  decode(stored: ReadEvent): Promise<LogEvent>;
}

export function createEventCodec(keys: KeyRing, schemas: EventSchemas = mailfoldSchemas): EventCodec {
  return {
    encode: (streamName, event) => encode(keys, streamName, event),
    decode: (stored) => decode(keys, schemas, stored),
  };
}

async function encode(
  keys: KeyRing,
  streamName: string,
  { id, event, metadata }: EventToAppend,
): Promise<StoredEvent> {
  const stamped = { ...metadata, schemaVersion: currentSchemaVersions[event.type] };
  const aad = sealingContext(metadata.tenantId, streamName, event.type, id);
  if (event.type === 'MessageContentStored') {
    const { keyId, key } = await keys.dataKey(metadata.tenantId);
    return {
      id,
      type: event.type,
      data: seal(key, keyId, event.data.bytes, aad),
      metadata: { ...stamped, keyId, chunk: event.data.chunk },
    };
  }
  const sealed = sealedNames(event.type);
  if (sealed.length === 0) return { id, type: event.type, data: { ...event.data }, metadata: stamped };
  const { keyId, key } = await keys.dataKey(metadata.tenantId);
  const { open, personal } = split(event.data as Fields, sealed);
  return {
    id,
    type: event.type,
    data: { ...open, sealed: sealJson(key, keyId, personal, aad) },
    metadata: { ...stamped, keyId },
  };
}

async function decode(keys: KeyRing, schemas: EventSchemas, stored: ReadEvent): Promise<LogEvent> {
  const { id, streamName, revision, position } = stored;
  const unreadable = unreadableReason(stored.type, stored.metadata.schemaVersion, schemas);
  if (unreadable !== null) return undecodable(stored, unreadable);
  if (parseStreamName(streamName)?.tenantId !== stored.metadata.tenantId) {
    return undecodable(stored, 'the metadata names another tenant than the stream');
  }
  const metadata = stored.metadata as unknown as EventMetadata;
  let opened: Fields;
  try {
    opened = await openData(keys, schemas, stored, metadata.schemaVersion);
  } catch (error) {
    if (!isStoredWrong(error)) throw error;
    return undecodable(stored, error.message);
  }
  try {
    const { type, data } = upcast(
      { type: stored.type, version: metadata.schemaVersion, data: opened },
      schemas,
    );
    return { id, type, streamName, revision, position, metadata, data } as unknown as Recorded<MailfoldEvent>;
  } catch (error) {
    // Nothing in there waits for anybody: what fails once fails for ever.
    return undecodable(stored, error instanceof Error ? error.message : String(error));
  }
}

/** What is stored is wrong. A key store that is away is something else: it is waited for, and parks nothing. */
class StoredWrong extends Error {}

/** A key that never existed here will not come back by waiting, unlike a key store that is down. */
function isStoredWrong(error: unknown): error is Error {
  return (
    error instanceof StoredWrong ||
    error instanceof SyntaxError ||
    error instanceof SealBroken ||
    error instanceof KeyUnknown
  );
}

function undecodable({ id, streamName, type, revision, position }: ReadEvent, reason: string): LogEvent {
  return { undecodable: true, id, streamName, type, revision, position, reason };
}

function openData(keys: KeyRing, schemas: EventSchemas, stored: ReadEvent, version: number): Promise<Fields> {
  return stored.type === 'MessageContentStored'
    ? openChunk(keys, stored)
    : openFields(keys, stored, erasedFields(stored.type, version, schemas));
}

async function openChunk(keys: KeyRing, stored: ReadEvent): Promise<Fields> {
  if (!(stored.data instanceof Uint8Array)) throw new StoredWrong('a content chunk must be bytes');
  const key = await keys.keyById(sealedKeyId(stored.data));
  const bytes = key === 'destroyed' ? new Uint8Array(0) : unseal(key, stored.data, contextOf(stored));
  return { chunk: stored.metadata.chunk, bytes };
}

async function openFields(keys: KeyRing, stored: ReadEvent, erased: Fields): Promise<Fields> {
  if (stored.data instanceof Uint8Array) throw new StoredWrong(`the data of ${stored.type} must be JSON`);
  const { sealed, ...open } = stored.data;
  if (sealed === undefined) return open;
  if (typeof sealed !== 'string') throw new StoredWrong('sealed fields must be base64');
  const key = await keys.keyById(sealedJsonKeyId(sealed));
  const personal = key === 'destroyed' ? erased : unsealJson(key, sealed, contextOf(stored));
  return { ...open, ...(personal as Fields) };
}

function contextOf({ metadata, streamName, type, id }: ReadEvent): string {
  return sealingContext(String(metadata.tenantId), streamName, type, id);
}

/** Bound into every seal, so that sealed bytes cannot be moved to another tenant, stream or event. */
function sealingContext(tenantId: string, streamName: string, type: string, id: string): string {
  return `${tenantId}|${streamName}|${type}|${id}`;
}

function sealedNames(type: MailfoldEvent['type']): string[] {
  return Object.keys((sealedFields as Record<string, Fields | undefined>)[type] ?? {});
}

function split(data: Fields, sealed: readonly string[]): { open: Fields; personal: Fields } {
  const open: Fields = {};
  const personal: Fields = {};
  for (const [name, value] of Object.entries(data)) (sealed.includes(name) ? personal : open)[name] = value;
  return { open, personal };
}
