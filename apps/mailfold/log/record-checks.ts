import { parseStreamName } from '../../../domain/stream-name';
import { currentSchemaVersions } from '../../../domain/catalogue.events';
import type { EventStore, LogEvent, LogRecord } from '../../shared/event-store/event-store';
import { shapeFaults } from '../../shared/event-store/event-shapes';
import { mailfoldSchemas } from '../../shared/event-store/upcasters';
import { SeenNames } from './seen-names';

/** Something in the log that no writer of ours leaves there. */
export interface AuditFault {
  readonly kind: 'position' | 'revision' | 'duplicate' | 'tenant' | 'unreadable' | 'shape' | 'ledger';
  readonly position: bigint;
  readonly streamName: string | null;
  readonly eventId: string | null;
  readonly detail: string;
}

/** Their first events are the chunks, which retention takes and leaves the fact (architecture.md, "A mail's way"). */
const categoriesWithRetention = new Set(['message', 'content']);

/**
 * The rules that every record of the log can be held against by itself or by those before it. Memory: the last revision of
 * each stream, about 200 bytes, and 11 to 23 bytes for each event's id.
 */
export class RecordChecks {
  private readonly lastRevisions = new Map<string, number>();
  private readonly seenIds = new SeenNames();
  private lastPosition: bigint | null;
  /** Streams that are not named as ours are: other applications on the same server. They are counted, not judged. */
  foreignEvents = 0;
  /** Streams whose first events retention has taken; in a part of the log also those that began before it. */
  streamsBegunEarlier = 0;

  /** `after`: where the audited part of the log begins; null for all of it. */
  constructor(
    private readonly store: Pick<EventStore, 'open'>,
    private readonly after: bigint | null,
  ) {
    this.lastPosition = after;
  }

  get streams(): number {
    return this.lastRevisions.size;
  }

  /** Throws only when the keys cannot be reached. */
  async faultsOf(record: LogRecord): Promise<AuditFault[]> {
    const { position, streamName, id: eventId } = record;
    const found: [AuditFault['kind'], string | null][] = [
      ['position', this.positionFault(record)],
      ['revision', this.revisionFault(record)],
      ['duplicate', this.duplicateFault(record)],
    ];
    if (parseStreamName(streamName) === null) this.foreignEvents += 1;
    else if (parseStreamName(streamName)?.tenantId !== record.metadata['tenantId'])
      found.push(['tenant', `its metadata names ${describe(record.metadata['tenantId'])}`]);
    else found.push(...contentFaults(await this.store.open(record), record));
    return found.flatMap(([kind, detail]) =>
      detail === null ? [] : [{ kind, position, streamName, eventId, detail }],
    );
  }

  private positionFault({ position }: LogRecord): string | null {
    const before = this.lastPosition;
    this.lastPosition = position;
    return before === null || position > before ? null : `comes after position ${before}`;
  }

  private revisionFault({ streamName, revision }: LogRecord): string | null {
    const before = this.lastRevisions.get(streamName);
    this.lastRevisions.set(streamName, revision);
    if (before !== undefined)
      return revision === before + 1 ? null : `revision ${revision} comes after revision ${before}`;
    if (revision === 0) return null;
    const category = parseStreamName(streamName)?.category ?? '';
    if (this.after === null && !categoriesWithRetention.has(category))
      return `the stream begins at revision ${revision}`;
    this.streamsBegunEarlier += 1;
    return null;
  }

  private duplicateFault({ streamName, id }: LogRecord): string | null {
    return this.seenIds.add(`${streamName} ${id}`) ? null : 'the stream holds this event id twice';
  }
}

function contentFaults(event: LogEvent, { metadata }: LogRecord): [AuditFault['kind'], string][] {
  if ('undecodable' in event) return [['unreadable', `${event.type}: ${event.reason}`]];
  const current = currentSchemaVersions[event.type];
  const shape = mailfoldSchemas.shapes[event.type]?.[current];
  if (shape === undefined) return [['shape', `no shape of ${event.type} version ${current}`]];
  // Strict, and after upcasting: what a fold takes no notice of is no reason to park an event, but somebody wrote it.
  return shapeFaults(shape, event.data).map(({ path, message }) => {
    const place = path === '' ? '' : `${path}: `;
    return ['shape', `${event.type} version ${describe(metadata['schemaVersion'])}: ${place}${message}`];
  });
}

function describe(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing';
}
