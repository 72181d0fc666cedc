import { encodeGroup } from '../../apps/event-store-node/storage/group-encoding';
import { commitGroup } from '../../apps/event-store-node/storage/group-commit';
import { openWriterSession } from '../../apps/event-store-node/storage/writer-session';
import type { PlannedRow } from '../../apps/event-store-node/log/log-row';
import type { ProposedEvent } from '../../apps/event-store-node/wire/event-frames';
import type { SampleAct, SampleLog } from '../../apps/dev/sample-log/sample-log';
import type { SampleAppend } from '../../apps/dev/sample-log/scratch-store';
import { createProgress } from '../../apps/mailfold/progress';
import { createEventCodec, type EventCodec } from '../../apps/shared/event-store/event-codec';
import type { KeyRing } from '../../apps/shared/keys/key-ring';
import { createLog } from '../../apps/shared/process/log';
import { queryAsSuperuser } from '../../test/support/postgres';
import type { RowContext } from '../harness/row';

const eventsPerGroup = 1_000;
/** Days lie far apart in a sample log; the server's clock went on by this much from event to event. */
const msPerEvent = 1;

/** Where a log that was filled ends, and where its first tenth does. */
export interface FilledLog {
  readonly events: number;
  readonly head: bigint;
  readonly tenth: { readonly events: number; readonly position: bigint };
}

/**
 * Writes a sample log into the (empty) database at `url`, sealed under `keys`, by the node's own encoder and group commit in
 * large groups, without client and gRPC: what lies there afterwards is what the node would have written.
 */
export async function fillSampleLog(
  url: string,
  { acts }: Pick<SampleLog, 'acts'>,
  { eventsWanted, keys }: { eventsWanted: number; keys: KeyRing },
  { signal }: Pick<RowContext, 'signal'>,
): Promise<FilledLog> {
  // A lost connection fails the next group besides, and stdout is for the result.
  const session = await openWriterSession(url, createLog('bench', 'silent'), signal, () => undefined);
  const progress = createProgress(`filling a sample log of ${eventsWanted} events`, 'events');
  const codec = createEventCodec(keys);
  const createdFrom = Date.now();
  let events = 0;
  let position = session.durablePosition;
  let tenth: FilledLog['tenth'] | undefined;
  try {
    for await (const group of groupsOf(acts)) {
      signal.throwIfAborted();
      const rows: PlannedRow[] = [];
      for (const append of group) {
        const row = await plannedRow(codec, append, position + 1);
        rows.push(row);
        position += row.events.length;
        events += row.events.length;
      }
      await commitGroup(session.client, encodeGroup(rows, createdFrom + events * msPerEvent), []);
      if (tenth === undefined && events >= eventsWanted / 10) tenth = { events, position: BigInt(position) };
      progress.update({ done: events, total: eventsWanted, count: events });
    }
  } finally {
    progress.stop();
    await session.close();
  }
  // As the autovacuum would have left it by then; otherwise the first readers would pay for it.
  await queryAsSuperuser(url, 'vacuum analyze appends');
  if (tenth === undefined) throw new Error('the sample log is empty');
  return { events, head: BigInt(position), tenth };
}

async function* groupsOf(acts: AsyncIterable<SampleAct>): AsyncGenerator<SampleAppend[]> {
  let group: SampleAppend[] = [];
  let events = 0;
  for await (const act of acts)
    for (const append of act.appends) {
      group.push(append);
      events += append.events.length;
      if (events < eventsPerGroup) continue;
      yield group;
      group = [];
      events = 0;
    }
  if (group.length > 0) yield group;
}

async function plannedRow(
  codec: EventCodec,
  { streamName, expected, events }: SampleAppend,
  position: number,
): Promise<PlannedRow> {
  const proposed: ProposedEvent[] = [];
  for (const event of events) {
    const { id, type, data, metadata } = await codec.encode(streamName, event);
    const isJson = !(data instanceof Uint8Array);
    const bytes = isJson ? Buffer.from(JSON.stringify(data)) : Buffer.from(data);
    const customMetadata = Buffer.from(JSON.stringify(metadata));
    proposed.push({ id, type, isJson, customMetadata, data: bytes });
  }
  return { position, streamName, revision: expected === 'no-stream' ? 0 : expected + 1, events: proposed };
}
