import type { ClientBase } from 'pg';
import type { RowOperation } from '../../../../projections/projection';
import { ContentReader } from '../../projecting/content-reader';
import { sequenceOf, type ReadableEvent } from '../../projecting/fold-event';
import type { Sequence } from '../../projecting/lane-event';
import { inTransaction } from '../../postgres/transaction';
import { covers } from '../../generations/coverage';
import type { EventToPark, Poison, StoppedSequence, TargetToLoad, TierToLoad } from '../contracts';
import type { ReaderConnections } from './reader-connections';
import { TierScan } from './tier-scan';

/** What poison has stopped in one tier, and everything that is not applied because of it. */
export interface StoppedTier {
  readonly stopped: readonly StoppedSequence[];
  readonly parked: readonly EventToPark[];
}

const behindPoison = 'an earlier event of its sequence is parked';

/**
 * Follows each sequence that poison has stopped to the fence, as a lane would have: its later events are parked and have no
 * effect. Rows that are written once were copied before anybody knew: they are taken out again. Repeatable.
 * `poison`: of this tier, at least the first of each sequence.
 */
export async function followStopped(
  tier: TierToLoad,
  poison: readonly Poison[],
  fence: bigint,
  connections: ReaderConnections,
): Promise<StoppedTier> {
  const first = new Map<string, Poison>();
  for (const each of poison) {
    const known = first.get(each.streamName);
    if (known === undefined || each.position < known.position) first.set(each.streamName, each);
  }
  const stopped: StoppedSequence[] = [];
  const parked: EventToPark[] = [];
  for (const each of first.values()) {
    const sequence = sequenceOf(each.streamName)!;
    const { tenantId, sequenceId } = sequence;
    stopped.push({ tenantId, sequenceId, position: each.position });
    parked.push(...(await followOne(tier, each, sequence, { fence, connections })));
  }
  return { stopped, parked };
}

async function followOne(
  tier: TierToLoad,
  first: Poison,
  sequence: Sequence,
  { fence, connections }: { fence: bigint; connections: ReaderConnections },
): Promise<EventToPark[]> {
  const scan = new TierScan(0, tier.tier, tier.targets);
  const parked: EventToPark[] = [];
  const written: { operation: RowOperation; position: bigint }[] = [];
  for await (const event of eventsOf(scan, first.streamName, connections)) {
    if (event.position < first.position || event.position > fence) continue;
    const meaning = scan.meaningOf(event, sequence);
    const reason = event.position === first.position ? first.reason : (meaning.poison ?? behindPoison);
    if (event.position === first.position || meaning.poison !== null || meaning.changesRows)
      parked.push(toPark(event, sequence, reason));
    for (const { operation } of meaning.writtenOnce) written.push({ operation, position: event.position });
  }
  if (written.length > 0) await takeOut(tier, written, connections);
  return parked;
}

async function* eventsOf(
  { definition }: TierScan,
  streamName: string,
  connections: ReaderConnections,
): AsyncGenerator<ReadableEvent> {
  const { store } = connections;
  const content = definition.withContent ? new ContentReader(store, connections.parser) : null;
  for (const record of await store.readStreamRecords(streamName)) {
    if (content === null && record.type === 'MessageContentStored') continue;
    const event = await store.open(record);
    const joined = content === null ? event : await content.join(event);
    if (joined !== null) yield joined;
  }
}

function toPark(
  { id, type, position }: ReadableEvent,
  { tenantId, slot, sequenceId }: Sequence,
  reason: string,
): EventToPark {
  return { tenantId, slot, sequenceId, position, eventId: id, eventType: type, reason };
}

async function takeOut(
  { targets }: TierToLoad,
  written: readonly { operation: RowOperation; position: bigint }[],
  connections: ReaderConnections,
): Promise<void> {
  for (const target of targets) {
    const ofTarget = written.filter(({ operation }) => covers(target.coverage, operation));
    if (ofTarget.length === 0) continue;
    const pool = connections.owners.of(target.databaseUrl);
    await inTransaction(pool, async (client) => {
      for (const { operation, position } of ofTarget) await deleteRow(client, target, operation, position);
    });
  }
}

async function deleteRow(
  client: ClientBase,
  { schema }: TargetToLoad,
  { table, tenantId, key }: RowOperation,
  position: bigint,
): Promise<void> {
  const conditions = table.primaryKey.map((name, n) => `"${name}" = $${n + 3}`);
  await client.query(
    `delete from ${schema}.${table.name}
     where ${['tenant_id = $1', 'log_position = $2', ...conditions].join(' and ')}`,
    [tenantId, position.toString(), ...key],
  );
}
