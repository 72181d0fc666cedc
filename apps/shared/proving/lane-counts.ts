import { slotOf } from '../../../domain/slot';
import { parseStreamName } from '../../../domain/stream-name';
import type { LogRecord } from '../event-store/event-store';
import { covers, overlap, type Coverage } from '../generations/coverage';
import { addDigests, emptyDigest, type IdDigest } from '../log-ledger/id-digest';
import type { SnapshotPart } from './snapshot-part';

/** Events that somebody has seen, by number and by the digest of their ids. */
export interface SeenEvents {
  readonly events: number;
  readonly digest: IdDigest;
}

export interface LaneCount extends SeenEvents {
  readonly lane: number;
  readonly target: SnapshotPart['target'];
  readonly coverage: Coverage;
  /** `null` before its first commit. */
  readonly position: bigint | null;
  /** Whether the figures are over all that it has taken in. */
  readonly isSummed: boolean;
}

/** What the lanes of the targets have taken in, as they stood at the position of the proof. */
export async function laneCountsOf(parts: readonly SnapshotPart[]): Promise<LaneCount[]> {
  const counts: LaneCount[] = [];
  for (const { snapshot, schema, target } of new Map(
    parts.map((part) => [`${part.target.databaseRef} ${part.schema}`, part]),
  ).values()) {
    const { rows } = await snapshot.read((client) =>
      client.query<LaneRow>(
        `select lane, slot_from, slot_to, only_tenant, except_tenants, events, id_digest_hi, id_digest_lo,
                commit_position, is_summed from ${schema}.checkpoints order by lane`,
      ),
    );
    counts.push(...rows.map((row) => ({ ...laneCount(row), target })));
  }
  return counts;
}

/** Whether the lane takes in events of what is proved only: else its count is of more. */
export function isWithin(coverages: readonly Coverage[], { coverage }: Pick<LaneCount, 'coverage'>): boolean {
  const width = coverages
    .filter(({ tenantId, except }) => tenantId === coverage.tenantId && isSame(except, coverage.except))
    .map(({ slots }) => overlap(slots, coverage.slots))
    .reduce((sum, common) => sum + (common === null ? 0 : common.to - common.from + 1), 0);
  return width === coverage.slots.to - coverage.slots.from + 1;
}

export function meets(coverages: readonly Coverage[], { coverage }: Pick<LaneCount, 'coverage'>): boolean {
  return coverages.some(
    ({ slots, tenantId, except }) =>
      overlap(slots, coverage.slots) !== null &&
      (tenantId === null || coverage.tenantId === null || tenantId === coverage.tenantId) &&
      !(coverage.tenantId !== null && except.includes(coverage.tenantId)) &&
      !(tenantId !== null && coverage.except.includes(tenantId)),
  );
}

export function sumOf(seen: readonly SeenEvents[]): SeenEvents {
  return seen.reduce(
    (sum, { events, digest }) => ({ events: sum.events + events, digest: addDigests(sum.digest, digest) }),
    { events: 0, digest: emptyDigest },
  );
}

export function isSameCount(one: SeenEvents, other: SeenEvents): boolean {
  return (
    one.events === other.events && one.digest.hi === other.digest.hi && one.digest.lo === other.digest.lo
  );
}

/** The place that decides which lane takes an event in; `null` for what no lane is offered. */
export function placeOf({ streamName, type }: LogRecord): { tenantId: string; slot: number } | null {
  const stream = parseStreamName(streamName);
  // Chunks of content are joined with their fact (ContentReader) and never offered by themselves.
  if (stream === null || type === 'MessageContentStored') return null;
  const { tenantId, entityId } = stream;
  return { tenantId, slot: slotOf(tenantId, entityId) };
}

export function isCovered(
  coverages: readonly Coverage[],
  place: { tenantId: string; slot: number },
): boolean {
  return coverages.some((coverage) => covers(coverage, place));
}

interface LaneRow {
  readonly lane: number;
  readonly slot_from: number;
  readonly slot_to: number;
  readonly only_tenant: string | null;
  readonly except_tenants: string[];
  readonly events: string;
  readonly id_digest_hi: string;
  readonly id_digest_lo: string;
  readonly commit_position: string | null;
  readonly is_summed: boolean;
}

function laneCount(row: LaneRow): Omit<LaneCount, 'target'> {
  return {
    lane: row.lane,
    coverage: {
      slots: { from: row.slot_from, to: row.slot_to },
      tenantId: row.only_tenant,
      except: row.except_tenants,
    },
    events: Number(row.events),
    digest: { hi: BigInt(row.id_digest_hi), lo: BigInt(row.id_digest_lo) },
    position: row.commit_position === null ? null : BigInt(row.commit_position),
    isSummed: row.is_summed,
  };
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}
