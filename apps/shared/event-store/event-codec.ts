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
  /**
   * At once where the key is at hand. Never throws for what is stored: what cannot be read comes back as undecodable, with
   * the reason.
   */
  decode(stored: ReadEvent): LogEvent | Promise<LogEvent>;
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

function decode(keys: KeyRing, schemas: EventSchemas, stored: ReadEvent): LogEvent | Promise<LogEvent> {
  const unreadable = unreadableReason(stored.type, stored.metadata.schemaVersion, schemas);
  if (unreadable !== null) return undecodable(stored, unreadable);
  if (parseStreamName(stored.streamName)?.tenantId !== stored.metadata.tenantId) {
    return undecodable(stored, 'the metadata names another tenant than the stream');
  }
  try {
    const keyId = keyIdOf(stored);
    const key = keyId === null ? null : keys.keyById(keyId);
    return key instanceof Promise
      ? key.then(
          (found) => decodeWith(found, schemas, stored),
          (error: unknown) => whyUndecodable(stored, error),
        )
      : decodeWith(key, schemas, stored);
  } catch (error) {
    return whyUndecodable(stored, error);
  }
}

/** @param key null where nothing is sealed. */
function decodeWith(key: Buffer | 'destroyed' | null, schemas: EventSchemas, stored: ReadEvent): LogEvent {
  const { id, streamName, revision, position } = stored;
  const metadata = stored.metadata as unknown as EventMetadata;
  const { schemaVersion: version } = metadata;
  let opened: Fields;
  try {
    opened = openData(key, erasedFields(stored.type, version, schemas), stored);
  } catch (error) {
    return whyUndecodable(stored, error);
  }
  try {
    const { type, data } = upcast({ type: stored.type, version, data: opened }, schemas);
    return { id, type, streamName, revision, position, metadata, data } as unknown as Recorded<MailfoldEvent>;
  } catch (error) {
    // Nothing in there waits for anybody: what fails once fails for ever.
    return undecodable(stored, error instanceof Error ? error.message : String(error));
  }
}

/** Throws what is not the fault of what is stored. */
function whyUndecodable(stored: ReadEvent, error: unknown): LogEvent {
  if (!isStoredWrong(error)) throw error;
  return undecodable(stored, error.message);
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

/** Null where nothing is sealed. Throws StoredWrong and SealBroken. */
function keyIdOf({ type, data }: ReadEvent): string | null {
  if (type === 'MessageContentStored') {
    if (!(data instanceof Uint8Array)) throw new StoredWrong('a content chunk must be bytes');
    return sealedKeyId(data);
  }
  if (data instanceof Uint8Array) throw new StoredWrong(`the data of ${type} must be JSON`);
  const { sealed } = data;
  if (sealed === undefined) return null;
  if (typeof sealed !== 'string') throw new StoredWrong('sealed fields must be base64');
  return sealedJsonKeyId(sealed);
}

function openData(key: Buffer | 'destroyed' | null, erased: Fields, stored: ReadEvent): Fields {
  const { data, metadata } = stored;
  if (data instanceof Uint8Array) {
    const isReadable = key !== null && key !== 'destroyed';
    const bytes = isReadable ? unseal(key, data, contextOf(stored)) : new Uint8Array(0);
    return { chunk: metadata.chunk, bytes };
  }
  if (key === null) return data;
  const personal = key === 'destroyed' ? erased : unsealJson(key, data.sealed as string, contextOf(stored));
  const opened: Fields = {};
  for (const name of Object.keys(data)) if (name !== 'sealed') opened[name] = data[name];
  return Object.assign(opened, personal);
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
