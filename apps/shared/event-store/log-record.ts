import type { LogRecord } from './event-store';

/** What we use of an event as the client hands it on; links are never resolved, so it is what lies at the place. */
interface ClientEvent {
  readonly id: string;
  readonly streamId: string;
  readonly type: string;
  readonly revision: bigint;
  readonly position?: { readonly commit: bigint } | undefined;
  readonly created: Date;
  readonly data: unknown;
  readonly metadata: unknown;
}

export function asLogRecord({ event }: { readonly event?: ClientEvent }): LogRecord | null {
  if (!event) return null;
  const { data, metadata } = event;
  return {
    id: event.id,
    streamName: event.streamId,
    type: event.type,
    revision: Number(event.revision),
    position: event.position?.commit ?? 0n,
    createdAtMs: event.created.getTime(),
    metadata: isObject(metadata) ? metadata : {},
    data: isObject(data) ? data : asBytes(data),
    // On demand: few readers ask, and the client has thrown the stored bytes away.
    get byteCount() {
      return sizeOf(data) + sizeOf(metadata);
    },
  };
}

/** What a server writes for itself: statistics, stream metadata, accounts. */
export function isServersOwn({ type, streamName }: Pick<LogRecord, 'type' | 'streamName'>): boolean {
  return type.startsWith('$') || streamName.startsWith('$');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

/** The client hands on text where the data calls itself JSON but is not. */
function asBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
}

function sizeOf(value: unknown): number {
  if (value === undefined) return 0;
  return isObject(value) ? Buffer.byteLength(JSON.stringify(value)) : asBytes(value).byteLength;
}
