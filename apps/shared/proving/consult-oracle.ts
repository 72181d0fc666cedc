import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { Recorded } from '../../../domain/event';
import { streamName, type Category } from '../../../domain/stream-name';
import type { ExpectedDifference } from '../../../projections/expected-difference';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore } from '../event-store/event-store';
import type { GateResult } from './certificate';
import { Consultation } from './consultation';
import { oracles } from './oracle/oracles';
import type { OracleStream, StreamOracle, TenantOracle } from './oracle/oracle';
import { oracleLog, parkedSequences } from './oracle-log';
import { sqlFor } from './part-sql';
import { randomStreams, shuffled, streamsWorthALook, type SampleOptions } from './sampled-streams';
import { partHolding } from './shown-rows';
import type { SnapshotPart } from './snapshot-part';

export interface OracleInput extends SampleOptions {
  readonly tier: ProjectionTier;
  readonly store: EventStore;
  readonly left: readonly SnapshotPart[];
  readonly right: readonly SnapshotPart[];
  readonly expectedDifferences: readonly ExpectedDifference[];
  /** How many events the log has up to the position. */
  readonly logEvents: number;
}

const tenantsMax = 3;
/** Read from the log at the same time; their rows are looked up together. */
const streamsAtOnce = 16;
/** To filter a longer log for one tenant takes its server minutes. */
const logEventsMaxForTenants = 5_000_000;

/** Gate 4: rows of both sides are what an independent fold of single streams, or of a tenant's, says. */
export async function consultOracle(input: OracleInput): Promise<GateResult> {
  const oracle = oracles.get(input.tier.tier);
  if (oracle === undefined) return notRun(`there is no oracle for tier ${input.tier.tier}`);
  if (oracle.kind === 'tenants' && input.logEvents > logEventsMaxForTenants)
    return notRun(`the log has ${input.logEvents} events; this oracle reads up to ${logEventsMaxForTenants}`);
  const parked = await parkedSequences([...input.left, ...input.right]);
  const consultation = new Consultation(input);
  if (oracle.kind === 'streams') await consultStreams(oracle, input, parked, consultation);
  else await consultTenants(oracle, input, parked, consultation);
  return consultation.result();
}

function notRun(reason: string): GateResult {
  return { gate: 'oracle', holds: null, measured: {}, detail: [reason] };
}

async function consultStreams(
  oracle: StreamOracle,
  input: OracleInput,
  parked: ReadonlyMap<string, bigint>,
  consultation: Consultation,
): Promise<void> {
  const { tier, store, position, left, right, signal } = input;
  const log = oracleLog({
    ...{ store, position, parked, withContent: tier.withContent },
    hints: (table, column, tenantId, id) => hintsIn([left, right], table, column, { tenantId, id }),
  });
  const random = await randomStreams(oracle.categories, input);
  const others = await streamsWorthALook(tier, oracle, right, [...parked.keys()], input);
  const streams = new Map([...random, ...others].map((stream) => [nameOf(stream), stream]));
  const names = [...streams.values()];
  for (let at = 0; at < names.length; at += streamsAtOnce) {
    signal.throwIfAborted();
    const some = names.slice(at, at + streamsAtOnce);
    consultation.streams += some.length;
    const rows = await Promise.all(some.map((stream) => oracle.rowsOf(stream, log)));
    await consultation.compareAll(rows.flat());
  }
}

async function consultTenants(
  oracle: TenantOracle,
  input: OracleInput,
  parked: ReadonlyMap<string, bigint>,
  consultation: Consultation,
): Promise<void> {
  const tenantsParked = new Set([...parked.keys()].map((sequence) => sequence.split(' ')[0] ?? ''));
  for (const tenantId of await someTenants(oracle, input)) {
    input.signal.throwIfAborted();
    if (tenantsParked.has(tenantId)) continue;
    consultation.streams += 1;
    const rows = await oracle.rowsOf(tenantId, eventsOf(oracle, tenantId, input));
    input.signal.throwIfAborted();
    await consultation.compareAll(rows);
    await consultation.refuseOthers(oracle.table, tenantId, rows);
  }
}

/** Tenants that have rows, at random. */
async function someTenants(oracle: TenantOracle, { tier, right, seed }: OracleInput): Promise<string[]> {
  const tenants = new Set<string>();
  for (const part of right) {
    const { rows } = await part.snapshot.read((client) =>
      client.query<{ tenant_id: string }>(
        sqlFor(tier, part, `select distinct tenant_id from {${oracle.table}} t`),
      ),
    );
    for (const { tenant_id: tenantId } of rows) tenants.add(tenantId);
  }
  return shuffled([...tenants], seed).slice(0, tenantsMax);
}

async function* eventsOf(
  { categories, types }: TenantOracle,
  tenantId: string,
  { store, position, signal }: OracleInput,
): AsyncGenerator<Recorded<MailfoldEvent>> {
  const streamPrefixes = categories.map((category) => streamName(category as Category, tenantId, ''));
  const range = { after: null, upTo: position, withContent: false, signal };
  for await (const record of store.readRecords({ ...range, streamPrefixes })) {
    if (!types.includes(record.type)) continue;
    const event = await store.open(record);
    if (!('undecodable' in event)) yield event;
  }
}

async function hintsIn(
  sides: readonly (readonly SnapshotPart[])[],
  table: string,
  column: string,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<string[]> {
  const hints = await Promise.all(
    sides.map(async (parts) => {
      const part = partHolding(parts, tenantId, id);
      if (part === undefined) return [];
      const { rows } = await part.snapshot.read((client) =>
        client.query<{ hint: string | null }>(
          `select ${column}::text as hint from ${part.schema}.${table} where tenant_id = $1 and id = $2`,
          [tenantId, id],
        ),
      );
      return rows.flatMap(({ hint }) => (hint === null ? [] : [hint]));
    }),
  );
  return [...new Set(hints.flat())];
}

function nameOf({ category, tenantId, entityId }: OracleStream): string {
  return streamName(category as Category, tenantId, entityId);
}
