import { setTimeout as delay } from 'node:timers/promises';
import type { ClientBase, Pool } from 'pg';
import { slotOf } from '../../../domain/slot';
import { streamPrefixes } from '../../../domain/stream-name';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import type { EventStore } from '../event-store/event-store';
import { covers, type Coverage } from '../generations/coverage';
import type { MailParser } from '../mail/mail-parser';
import { inTransaction } from '../postgres/transaction';
import { ContentReader } from './content-reader';
import { foldEvent } from './fold-event';
import type { LaneEvent } from './lane-event';
import { digestTables, refoldedTables, type RefoldedTable } from './refolded-tables';
import { release, stopsOf, type StoppedSequence } from './parked-sequences';
import { applyOperations, isPoison, type PositionedOperation } from './row-writer';

export interface RequeueOptions {
  readonly store: EventStore;
  readonly tier: ProjectionTier;
  /** For tiers that read content. */
  readonly parser: MailParser | null;
  /** Connections of role mailfold_projector to the database of the target. */
  readonly pool: Pool;
  readonly schema: string;
  readonly tenantId: string;
  readonly sequenceId: string;
  readonly signal: AbortSignal;
  /** Told of each event of the tenant that was read. */
  readonly onEvent?: () => void;
}

export type RequeueOutcome =
  /** `events`: how many were parked until now. */
  | { readonly outcome: 'requeued'; readonly events: number; readonly tables: readonly RefoldedTable[] }
  | { readonly outcome: 'still-poison'; readonly event: PoisonEvent | null; readonly reason: string }
  /** Nothing of it is parked in this target. */
  | { readonly outcome: 'not-parked' };

type PoisonEvent = Pick<LaneEvent, 'id' | 'type' | 'position'>;

/** What the sequence's events mean, as far as they were read. */
interface Sequence {
  readonly slots: ReadonlySet<number>;
  readonly poison: { readonly event: PoisonEvent; readonly reason: string } | null;
}

interface LockedLane {
  readonly lane: number;
  readonly coverage: Coverage;
  readonly position: bigint;
}

/** A barrier stands, or the sequence has come to change more slots: look again. */
class NotNow extends Error {}

const retryDelayMs = 50;

/**
 * Applies what is parked of a sequence, in one target: the rows are then those of a run that never met poison, to the last
 * bit. To apply the parked events alone would not do: other sequences have changed some of the same rows since (figures of
 * a slot, a message's place), and order decides what such a row holds. So all rows of the tenant in the slots that the
 * sequence changes are folded again from the start of the log, by the lanes' own writer, and take the place of the old ones
 * in one transaction, which holds the lanes of the target between two batches meanwhile.
 * Each target is for itself: a requeue that was interrupted between two of them is repeated. If the sequence cannot be
 * applied yet, nothing is changed.
 */
export async function requeue(options: RequeueOptions): Promise<RequeueOutcome> {
  const { pool, schema, tenantId, sequenceId } = options;
  const stops = await inTransaction(pool, (client) => stopsOf(client, schema, tenantId));
  if (!stops.some((stop) => stop.sequenceId === sequenceId)) return { outcome: 'not-parked' };
  return refoldSequence(options);
}

/**
 * The rows that a sequence, such as a conversation, has a part in are folded again in place, as {@link requeue} does, whether
 * any of it is parked or not: the rebuild of one conversation, in one target that serves it.
 */
export async function refoldSequence(options: RequeueOptions): Promise<RequeueOutcome> {
  const { signal } = options;
  for (;;) {
    signal.throwIfAborted();
    const { slots, poison } = await readSequence(options);
    if (poison !== null) return { outcome: 'still-poison', ...poison };
    try {
      return await refold(options, slots);
    } catch (error) {
      if (isPoison(error)) return { outcome: 'still-poison', event: null, reason: (error as Error).message };
      if (!(error instanceof NotNow)) throw error;
    }
    await delay(retryDelayMs, undefined, { signal });
  }
}

async function readSequence(options: RequeueOptions): Promise<Sequence> {
  const slots = new Set<number>();
  for await (const event of readEvents(options, { entityId: options.sequenceId, after: null })) {
    const { poison } = event;
    if (poison !== null) return { slots, poison: { event, reason: poison } };
    for (const { slot } of event.operations) slots.add(slot);
  }
  return { slots, poison: null };
}

/** Everything but the last few events is read before the lanes are locked. */
async function refold(options: RequeueOptions, slots: ReadonlySet<number>): Promise<RequeueOutcome> {
  const { pool, schema, tier, tenantId, sequenceId } = options;
  const { rows } = await pool.query<{ position: string }>(
    `select coalesce(min(commit_position), 0)::text as position from ${schema}.checkpoints`,
  );
  const before = BigInt(rows[0]?.position ?? 0);
  const events = await gather(options, slots, { after: null, upTo: before });
  return inTransaction(pool, async (client) => {
    await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenantId}}`]);
    const lanes = await lockLanes(client, schema);
    const upTo = lanes.reduce((far, { position }) => (position > far ? position : far), 0n);
    if (upTo > before) events.push(...(await gather(options, slots, { after: before, upTo })));
    const stops = await stopsOf(client, schema, tenantId);
    const others = stops.filter((stop) => stop.sequenceId !== sequenceId);
    const found = await digestTables(client, { tier, schema, tenantId, slots });
    for (const { name } of tablesOf(tier))
      await client.query(
        `delete from ${schema}.${name} where tenant_id = $1 and slot = any ($2::smallint[])`,
        [tenantId, [...slots]],
      );
    await applyOperations(client, schema, operationsOf(events, lanes, others));
    const tables = refoldedTables(found, await digestTables(client, { tier, schema, tenantId, slots }));
    const its = stops.filter((stop) => stop.sequenceId === sequenceId);
    const home = { tenantId, slot: slotOf(tenantId, sequenceId) };
    const counted = lanes.filter(
      ({ lane, coverage }) =>
        its.length > 0 && (covers(coverage, home) || its.some((stop) => stop.lane === lane)),
    );
    const released = await release(
      client,
      schema,
      { tenantId, sequenceId },
      counted.map(({ lane }) => lane),
    );
    await notify(client, options, lanes);
    return { outcome: 'requeued', events: released, tables };
  });
}

/** In the order of the log. */
async function gather(
  options: RequeueOptions,
  slots: ReadonlySet<number>,
  range: { after: bigint | null; upTo: bigint },
): Promise<LaneEvent[]> {
  const events: LaneEvent[] = [];
  if (range.upTo === 0n) return events;
  for await (const event of readEvents(options, range)) {
    options.onEvent?.();
    const isOurs = event.sequence.sequenceId === options.sequenceId;
    // It has grown since it was looked at.
    if (isOurs && (event.poison !== null || event.operations.some(({ slot }) => !slots.has(slot))))
      throw new NotNow();
    const operations = event.operations.filter(({ slot }) => slots.has(slot));
    if (operations.length > 0) events.push({ ...event, operations });
  }
  return events;
}

async function* readEvents(
  { store, tier, parser, tenantId, signal }: RequeueOptions,
  { entityId, ...range }: { entityId?: string; after: bigint | null; upTo?: bigint },
): AsyncGenerator<LaneEvent> {
  const content = tier.withContent && parser !== null ? new ContentReader(store, parser) : null;
  const records = store.readRecords({
    ...{ ...range, withContent: tier.withContent, signal },
    streamPrefixes: streamPrefixes(tenantId, entityId),
  });
  for await (const record of records) {
    if (content === null && record.type === 'MessageContentStored') continue;
    const event = await store.open(record);
    const readable = content === null ? event : await content.join(event);
    const folded = readable === null ? null : foldEvent(tier, readable);
    if (folded !== null) yield folded;
  }
  signal.throwIfAborted();
}

/** What each lane had to apply up to where it stands. */
function operationsOf(
  events: readonly LaneEvent[],
  lanes: readonly LockedLane[],
  stops: readonly StoppedSequence[],
): PositionedOperation[] {
  return events.flatMap(({ position, sequence, operations }) =>
    operations.flatMap((operation) => {
      const lane = lanes.find(({ coverage }) => covers(coverage, operation));
      const isStopped = stops.some(
        (stop) =>
          stop.sequenceId === sequence.sequenceId &&
          stop.position <= position &&
          (stop.lane === null || stop.lane === lane?.lane),
      );
      return lane === undefined || position > lane.position || isStopped ? [] : [{ position, operation }];
    }),
  );
}

/** Every lane of the target stands between two batches until COMMIT. */
async function lockLanes(client: ClientBase, schema: string): Promise<LockedLane[]> {
  const { rows } = await client.query<{
    lane: number;
    slot_from: number;
    slot_to: number;
    only_tenant: string | null;
    except_tenants: string[];
    position: string;
    held: boolean;
  }>(
    `select lane, slot_from, slot_to, only_tenant, except_tenants, coalesce(commit_position, 0)::text as position,
            coalesce(hold_expires_at > clock_timestamp(), false) as held
     from ${schema}.checkpoints order by lane for no key update`,
  );
  if (rows.some(({ held }) => held)) throw new NotNow();
  return rows.map((row) => ({
    lane: row.lane,
    coverage: {
      slots: { from: row.slot_from, to: row.slot_to },
      tenantId: row.only_tenant,
      except: row.except_tenants,
    },
    position: BigInt(row.position),
  }));
}

/** Positions stay where they are, so the count of rewrites tells readers that what they remember of the tenant is old. */
async function notify(
  client: ClientBase,
  { tier, schema, tenantId }: RequeueOptions,
  lanes: readonly LockedLane[],
): Promise<void> {
  const { rows } = await client.query<{ lane: number; rewrites: string }>(
    `update ${schema}.checkpoints set rewrites = rewrites + 1 where lane = any ($1) returning lane, rewrites`,
    [lanes.map(({ lane }) => lane)],
  );
  const rewritesOf = new Map(rows.map(({ lane, rewrites }) => [lane, Number(rewrites)]));
  for (const { lane, position } of lanes)
    await client.query('select pg_notify($1, $2)', [
      `mailfold_${tier.tier}`,
      JSON.stringify({
        ...{ schema, lane, position: position.toString(), tenants: [tenantId] },
        rewrites: rewritesOf.get(lane),
      }),
    ]);
}
