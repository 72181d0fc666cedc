import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { Recorded } from '../../../domain/event';
import { slotOf } from '../../../domain/slot';
import { streamName, type Category } from '../../../domain/stream-name';
import type { ExpectedDifference } from '../../../projections/expected-difference';
import type { AnyTable } from '../../../projections/projection';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import type { EventStore } from '../event-store/event-store';
import { absentColumns, type AbsentColumns } from './absent-columns';
import type { GateResult } from './certificate';
import { isCovered } from './lane-counts';
import { oracles } from './oracle/oracles';
import type { OracleRow, OracleStream, StreamOracle, TenantOracle } from './oracle/oracle';
import { oracleLog, parkedSequences } from './oracle-log';
import { sqlFor } from './part-sql';
import { randomStreams, shuffled, streamsWorthALook, type SampleOptions } from './sampled-streams';
import { keysOfTenant, keyText, shownRow, shownValue } from './shown-rows';
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

const linesMax = 40;
const tenantsMax = 3;
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
    hints: (table, column, tenantId, id) => hintsIn([...left, ...right], table, column, { tenantId, id }),
  });
  const random = await randomStreams(oracle.categories, input);
  const others = await streamsWorthALook(tier, oracle, right, [...parked.keys()], input);
  const streams = new Map([...random, ...others].map((stream) => [nameOf(stream), stream]));
  for (const stream of streams.values()) {
    signal.throwIfAborted();
    consultation.streams += 1;
    await consultation.compareAll(await oracle.rowsOf(stream, log));
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
  parts: readonly SnapshotPart[],
  table: string,
  column: string,
  { tenantId, id }: { tenantId: string; id: string },
): Promise<string[]> {
  const found = new Set<string>();
  for (const { snapshot, schema } of parts) {
    const { rows } = await snapshot.read((client) =>
      client.query<{ hint: string | null }>(
        `select ${column}::text as hint from ${schema}.${table} where tenant_id = $1 and id = $2`,
        [tenantId, id],
      ),
    );
    for (const { hint } of rows) if (hint !== null) found.add(hint);
  }
  return [...found];
}

function nameOf({ category, tenantId, entityId }: OracleStream): string {
  return streamName(category as Category, tenantId, entityId);
}

/** Holds rows of both sides against the oracle's, and keeps what differs. */
class Consultation {
  streams = 0;
  private rows = 0;
  private readonly seen = new Set<string>();
  private readonly wrong: string[] = [];
  private readonly absent = new Map<string, Promise<AbsentColumns>>();
  private readonly tables: ReadonlyMap<string, AnyTable>;

  constructor(private readonly input: OracleInput) {
    this.tables = new Map(tablesOf(input.tier).map((table) => [table.name, table]));
  }

  async compareAll(rows: readonly OracleRow[]): Promise<void> {
    for (const row of rows) await this.compare(row);
  }

  /** Rows of a tenant that no event explains. */
  async refuseOthers(tableName: string, tenantId: string, rows: readonly OracleRow[]): Promise<void> {
    const table = this.table(tableName);
    const known = new Set(rows.map((row) => keyText(table, row)));
    for (const [side, parts] of this.sides())
      for (const key of await keysOfTenant(table, parts, tenantId))
        if (!known.has(key)) this.wrong.push(`${side}: ${tableName} ${key}: no event made it`);
  }

  result(): GateResult {
    const { seed } = this.input;
    return {
      gate: 'oracle',
      holds: this.wrong.length === 0,
      measured: { streams: this.streams, rows: this.rows, seed, wrong: this.wrong.length },
      detail: this.wrong.slice(0, linesMax),
    };
  }

  private async compare(row: OracleRow): Promise<void> {
    const { tenantId, slotEntityId } = row;
    const table = this.table(row.table);
    const key = keyText(table, row);
    if (!isCovered(this.input.coverages, { tenantId, slot: slotOf(tenantId, slotEntityId) })) return;
    if (this.seen.has(`${row.table} ${key}`)) return;
    this.seen.add(`${row.table} ${key}`);
    this.rows += 1;
    for (const [side, parts] of this.sides()) {
      const fault = await this.faultOf(side, table, parts, row);
      if (fault !== null) this.wrong.push(`${side}: ${row.table} ${key}: ${fault}`);
    }
  }

  private async faultOf(
    side: 'left' | 'right',
    table: AnyTable,
    parts: readonly SnapshotPart[],
    row: OracleRow,
  ): Promise<string | null> {
    const absent = await this.absentIn(table);
    if (absent.isTableAbsent[side]) return null;
    const found = await shownRow(table, parts, row, absent.bySide[side]);
    if (row.values === null) return found === null ? null : 'it should not be there';
    if (found === null) return 'it should be there, in its slot';
    const differing = Object.entries(row.values)
      .filter(([column]) => !absent.bySide[side].has(column))
      .filter(([column, value]) => found[column] !== shownValue(value))
      .map(([column]) => column)
      .filter((column) => !this.isExpected(table, column));
    return differing.length === 0 ? null : `the events say otherwise of ${differing.join(', ')}`;
  }

  /** What one side has not at all is the matter of the rows' gate. */
  private async absentIn(table: AnyTable): Promise<AbsentColumns> {
    const known = this.absent.get(table.name) ?? absentColumns(table, this.input, []);
    this.absent.set(table.name, known);
    return known;
  }

  /** What is declared to differ has two right values; nobody could say here which side is to have which. */
  private isExpected({ name }: AnyTable, column: string): boolean {
    return this.input.expectedDifferences.some(
      ({ table, columns }) => table === name && (columns === 'rows' || columns.includes(column)),
    );
  }

  private sides(): (readonly ['left' | 'right', readonly SnapshotPart[]])[] {
    return [
      ['left', this.input.left],
      ['right', this.input.right],
    ];
  }

  private table(name: string): AnyTable {
    const table = this.tables.get(name);
    if (table === undefined) throw new Error(`The oracle of ${this.input.tier.tier} knows a table ${name}`);
    return table;
  }
}
