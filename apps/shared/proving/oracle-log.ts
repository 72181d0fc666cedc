import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { Recorded } from '../../../domain/event';
import { streamName, type Category } from '../../../domain/stream-name';
import type { EventStore } from '../event-store/event-store';
import type { OracleLog, OracleStream } from './oracle/oracle';
import { parkedTable } from './part-sql';
import type { SnapshotPart } from './snapshot-part';

export interface ProvedLog {
  readonly store: EventStore;
  /** Of the proof; nothing behind it is shown. */
  readonly position: bigint;
  readonly withContent: boolean;
  /** First parked event of a sequence, by tenant and entity. */
  readonly parked: ReadonlyMap<string, bigint>;
  readonly hints: OracleLog['hints'];
}

const streamsHeldMax = 200;

/** The log as the tier has taken it in. */
export function oracleLog({ store, position, withContent, parked, hints }: ProvedLog): OracleLog {
  const known = new Map<string, Promise<readonly Recorded<MailfoldEvent>[]>>();
  const takenIn = async (
    name: string,
    stopsAt: bigint | undefined,
  ): Promise<readonly Recorded<MailfoldEvent>[]> => {
    const events: Recorded<MailfoldEvent>[] = [];
    for (const record of await store.readStreamRecords(name)) {
      if (record.position > position || (stopsAt !== undefined && record.position >= stopsAt)) break;
      if (record.type === 'MessageContentStored' && !withContent) continue;
      const event = await store.open(record);
      if ('undecodable' in event) break;
      events.push(event);
    }
    return events;
  };
  const read = (stream: OracleStream): Promise<readonly Recorded<MailfoldEvent>[]> => {
    const name = streamName(stream.category as Category, stream.tenantId, stream.entityId);
    const held = known.get(name);
    if (held !== undefined) return held;
    const events = takenIn(name, parked.get(`${stream.tenantId} ${stream.entityId}`));
    if (known.size >= streamsHeldMax) known.clear();
    known.set(name, events);
    return events;
  };
  return { read, hints };
}

/** Where each parked sequence stops, and of which tenants there are any. */
export async function parkedSequences(parts: readonly SnapshotPart[]): Promise<Map<string, bigint>> {
  const stops = new Map<string, bigint>();
  for (const part of parts) {
    const { rows } = await part.snapshot.read((client) =>
      client.query<{ sequence: string; position: string }>(
        `select tenant_id || ' ' || sequence_id as sequence, min(position)::text as position
         from ${parkedTable(part)} group by tenant_id, sequence_id`,
      ),
    );
    for (const { sequence, position } of rows) {
      const known = stops.get(sequence);
      if (known === undefined || BigInt(position) < known) stops.set(sequence, BigInt(position));
    }
  }
  return stops;
}
