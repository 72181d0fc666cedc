import { encodeGroup } from '../../apps/event-store-node/storage/group-encoding';
import { commitGroup } from '../../apps/event-store-node/storage/group-commit';
import { openWriterSession } from '../../apps/event-store-node/storage/writer-session';
import { queryAsSuperuser } from '../../test/support/postgres';
import type { PlannedRow } from '../../apps/event-store-node/log/log-row';
import { createProgress } from '../../apps/mailfold/progress';
import { createLog } from '../../apps/shared/process/log';
import type { RowContext } from '../harness/row';
import { eventType, Payloads, storedEventIds, storedStreamName, type StoredStreams } from '../load/workload';
import type { BenchPostgres } from './bench-postgres';

const rowsPerGroup = 1_000;
const createdAtMs = Date.UTC(2026, 0, 1);

/**
 * Makes a database with a log in it: one append per event, stream after stream. Written by the node's own encoder and group
 * commit in large groups, without client and gRPC: what lies there afterwards is what the node would have written.
 */
export async function fillLog(
  database: string,
  stored: StoredStreams,
  postgres: BenchPostgres,
  context: RowContext,
): Promise<void> {
  const url = await postgres.create(database);
  // A lost connection fails the next group besides, and stdout is for the result.
  const session = await openWriterSession(url, createLog('bench', 'silent'), context.signal, () => undefined);
  const total = stored.streamCount * stored.eventsPerStream;
  const progress = createProgress(`filling a log of ${total} events`, 'events');
  try {
    let done = 0;
    for (const group of groups(stored, session.durablePosition + 1)) {
      context.signal.throwIfAborted();
      await commitGroup(session.client, encodeGroup(group, createdAtMs), []);
      done += group.length;
      progress.update({ done, total, count: done });
    }
  } finally {
    progress.stop();
    await session.close();
  }
  // As the autovacuum would have left it by then; otherwise the first readers would pay for it. It may take minutes, so not
  // in the session of a writer, which gives up a server that is silent for seconds.
  await queryAsSuperuser(url, 'vacuum analyze appends');
}

function* groups(stored: StoredStreams, firstPosition: number): Generator<PlannedRow[]> {
  let group: PlannedRow[] = [];
  for (const row of plannedRows(stored, firstPosition)) {
    group.push(row);
    if (group.length < rowsPerGroup) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function* plannedRows(stored: StoredStreams, firstPosition: number): Generator<PlannedRow> {
  const payloads = new Payloads(stored.seed);
  const nextId = storedEventIds(stored);
  let position = firstPosition;
  for (let index = 0; index < stored.streamCount; index++) {
    const streamName = storedStreamName(stored, index);
    for (let revision = 0; revision < stored.eventsPerStream; revision++, position++) {
      const id = nextId();
      const data = Buffer.from(JSON.stringify(payloads.dataOf(id)));
      const event = { id, type: eventType, isJson: true, customMetadata: Buffer.alloc(0), data };
      yield { position, streamName, revision, events: [event] };
    }
  }
}
