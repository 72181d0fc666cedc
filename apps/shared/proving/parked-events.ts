import { RowText } from './row-text';
import { parkedTable } from './part-sql';
import type { SnapshotPart } from './snapshot-part';

/** For its columns only: every tier has them (migrations/generation). */
const parkedSequences = new RowText({ name: 'parked_sequences', primaryKey: [], columns: {} });

/** Events that a side has not applied: a line for people by event id. */
async function parkedIn(parts: readonly SnapshotPart[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const part of parts) {
    const { rows } = await part.snapshot.read((client) =>
      client.query<{ id: string; event: string }>(
        `select event_id::text as id,
                event_type || ' ' || event_id || ' at position ' || position || ', of ' || tenant_id || ' ' || sequence_id as event
         from ${parkedTable(part)} t where ${parkedSequences.within(part.coverage)}`,
      ),
    );
    for (const { id, event } of rows) found.set(id, event);
  }
  return found;
}

/** What the right has parked and the left has applied. */
export async function newlyParked(
  left: readonly SnapshotPart[],
  right: readonly SnapshotPart[],
): Promise<string[]> {
  const [before, now] = [await parkedIn(left), await parkedIn(right)];
  return [...now].filter(([id]) => !before.has(id)).map(([, event]) => event);
}
