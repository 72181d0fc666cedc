import type { ClientBase } from 'pg';
import type { Coverage } from '../generations/coverage';
import { parkedTable } from './part-sql';
import { RowText } from './row-text';
import type { SnapshotPart } from './snapshot-part';

/** Part of what a side has parked. The role that reads is mailfold_auditor, or policies hide the rows. */
export interface ParkedPart {
  readonly schema: string;
  readonly coverage: Coverage;
  /** Where, and as of when, it is read: at the moment of a proof, or now. */
  readonly read: <T>(work: (db: Pick<ClientBase, 'query'>) => Promise<T>) => Promise<T>;
}

/** At the moment of a proof. */
export function parkedPart({ schema, coverage, snapshot }: SnapshotPart): ParkedPart {
  return { schema, coverage, read: (work) => snapshot.read(work) };
}

/** For its columns only: every tier has them (migrations/generation). */
const parkedSequences = new RowText({ name: 'parked_sequences', primaryKey: [], columns: {} });

/** Events that a side has not applied: a line for people by event id. */
async function parkedIn(parts: readonly ParkedPart[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { schema, coverage, read } of parts) {
    const { rows } = await read((db) =>
      db.query<{ id: string; event: string }>(
        `select event_id::text as id,
                event_type || ' ' || event_id || ' at position ' || position || ', of ' || tenant_id || ' ' || sequence_id as event
         from ${parkedTable({ schema })} t where ${parkedSequences.within(coverage)} order by position`,
      ),
    );
    for (const { id, event } of rows) found.set(id, event);
  }
  return found;
}

/**
 * What the right has parked and the left has applied. By id: a count of each would not do, since as many others may have
 * been released.
 */
export async function newlyParked(
  left: readonly ParkedPart[],
  right: readonly ParkedPart[],
): Promise<string[]> {
  const [before, now] = [await parkedIn(left), await parkedIn(right)];
  return [...now].filter(([id]) => !before.has(id)).map(([, event]) => event);
}
