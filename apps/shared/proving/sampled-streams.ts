import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import { slotOf } from '../../../domain/slot';
import { parseStreamName } from '../../../domain/stream-name';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore } from '../event-store/event-store';
import type { Coverage } from '../generations/coverage';
import { isCovered } from './lane-counts';
import type { OracleStream, StreamOracle } from './oracle/oracle';
import { sqlFor } from './part-sql';
import type { SnapshotPart } from './snapshot-part';

export interface SampleOptions {
  readonly control: Pool;
  readonly store: Pick<EventStore, 'readRecords'>;
  readonly position: bigint;
  readonly coverages: readonly Coverage[];
  /** How many random streams of the log; default 64. */
  readonly streams: number;
  /** The same seed takes the same streams of the same log. */
  readonly seed: number;
  readonly signal: AbortSignal;
}

const streamsPerSegment = 8;
const worthALookEach = 4;

/** Streams taken at random from the log itself: rows that are missing on both sides could not lead to theirs. */
export async function randomStreams(
  categories: readonly string[],
  { control, store, position, coverages, streams, seed, signal }: SampleOptions,
): Promise<OracleStream[]> {
  const { rows: segments } = await control.query<{ from: string; to: string }>(
    `select position_from::text as from, position_to::text as to from log_ledger where position_from <= $1
     order by hashtextextended(position_from::text, $2::bigint) limit $3`,
    [position.toString(), seed, Math.ceil(streams / streamsPerSegment)],
  );
  const found = new Map<string, OracleStream>();
  // A short log has few segments, and gives more of each.
  const each = Math.ceil(streams / Math.max(1, segments.length));
  for (const segment of segments) {
    const upTo = BigInt(segment.to) < position ? BigInt(segment.to) : position;
    const names = new Set<string>();
    const after = BigInt(segment.from) === 0n ? null : BigInt(segment.from) - 1n;
    for await (const record of store.readRecords({ after, upTo, withContent: false, signal }))
      names.add(record.streamName);
    const ours = [...names].filter((name) => {
      const stream = parseStreamName(name);
      return stream !== null && categories.includes(stream.category) && isOurs(stream, coverages);
    });
    for (const name of shuffled(ours, seed).slice(0, each)) {
      const stream = parseStreamName(name);
      if (stream !== null) found.set(name, stream);
    }
  }
  return [...found.values()];
}

/** The streams that an oracle wants to see, and those of which something is parked. */
export async function streamsWorthALook(
  tier: ProjectionTier,
  oracle: StreamOracle,
  parts: readonly SnapshotPart[],
  parked: readonly string[],
  { seed }: Pick<SampleOptions, 'seed'>,
): Promise<OracleStream[]> {
  const found: OracleStream[] = [];
  for (const { sql } of oracle.worthALook)
    for (const part of parts) {
      const { rows } = await part.snapshot.read((client) =>
        client.query<{ category: string; tenant_id: string; entity_id: string }>(sqlFor(tier, part, sql), [
          seed,
          worthALookEach,
        ]),
      );
      found.push(
        ...rows.map((row) => ({
          ...{ category: row.category, tenantId: row.tenant_id, entityId: row.entity_id },
        })),
      );
    }
  for (const sequence of shuffled(parked, seed).slice(0, worthALookEach)) {
    const [tenantId = '', entityId = ''] = sequence.split(' ');
    found.push(...oracle.categories.map((category) => ({ category, tenantId, entityId })));
  }
  return found;
}

function isOurs(
  { tenantId, entityId }: Omit<OracleStream, 'category'>,
  coverages: readonly Coverage[],
): boolean {
  return isCovered(coverages, { tenantId, slot: slotOf(tenantId, entityId) });
}

/** An order that the seed decides. */
export function shuffled(names: readonly string[], seed: number): string[] {
  const rank = (name: string): string => createHash('md5').update(`${seed} ${name}`).digest('hex');
  return [...names]
    .map((name) => ({ name, rank: rank(name) }))
    .sort((one, other) => (one.rank < other.rank ? -1 : 1))
    .map(({ name }) => name);
}
