import { jsonEvent } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { streamName } from '../../../../../domain/stream-name';
import { countedEvent, type CountedEvent } from '../../../../../apps/shared/log-ledger/census';
import { releaseLedger, takeLedger, writeLedger } from '../../../../../apps/shared/log-ledger/ledger-writer';
import { extendLedger } from '../../../../../apps/shared/log-ledger/segment';
import { bulkLoad } from '../../../../../apps/shared/rebuilding/bulk-load';
import type { TierToLoad } from '../../../../../apps/shared/rebuilding/contracts';
import {
  estimate,
  type Estimate,
  type EstimateOptions,
} from '../../../../../apps/shared/rebuilding/estimate/estimate';
import { loadedRows } from '../../../../../apps/shared/rebuilding/load/load-units';
import { projectionTiers } from '../../../../../projections/tiers';
import { queryAsSuperuser } from '../../../../support/postgres';
import { idOf } from '../../../../support/recorded-log';
import { BulkLoadFixture } from '../bulk-load-fixture';

let fixture: BulkLoadFixture;
let tiers: TierToLoad[];
let events = 0;
/** Of the whole sample log, all tiers. */
let whole: Estimate;

beforeAll(async () => {
  fixture = await BulkLoadFixture.start();
  await fixture.writeSample(3_000);
  await keepSlowLedger();
  ({ tiers } = await fixture.toLoad(1));
  const [head] = await queryAsSuperuser<{ events: string }>(
    (await fixture.options(tiers)).log.controlDatabaseUrl!,
    'select sum(events) as events from log_ledger',
  );
  events = Number(head?.events);
}, 120_000);
afterAll(() => fixture.stop());

/** As if 50 events had come in each minute: the ledger ends a segment with each, so a small log has many. */
async function keepSlowLedger(): Promise<void> {
  const { store, control } = fixture;
  const { signal } = new AbortController();
  const counted: CountedEvent[] = [];
  for await (const record of store.readRecords({
    after: null,
    upTo: await fixture.head(),
    withContent: true,
    signal,
  }))
    counted.push({ ...countedEvent(record), createdAtMs: Math.floor(counted.length / 50) * 60_000 });
  const lease = await takeLedger(control, 'test');
  const last = counted.at(-1)!;
  const to = { position: last.position, eventId: last.id };
  await writeLedger(control, lease!, { from: null, to, segments: extendLedger(null, counted) });
  await releaseLedger(control, lease!);
}

async function estimated(changes: Partial<EstimateOptions> = {}): Promise<Estimate> {
  const options = await fixture.options(tiers.slice(0, 1));
  return estimate({ ...options, codeVersion: 'test', ...changes });
}

/** What no estimate may leave behind, besides its spool. */
async function scratchSchemas(): Promise<unknown[]> {
  const schemas = await Promise.all(
    projectionTiers.map(({ tier }) =>
      queryAsSuperuser(
        fixture.urlOf(tier),
        `select nspname from pg_namespace where nspname like 'estimate%'`,
      ),
    ),
  );
  return schemas.flat();
}

describe('the estimate of a bulk load', () => {
  it('says of a small log exactly what the load then finds', async () => {
    const told: string[] = [];
    const options = await fixture.options(tiers);
    const plan = await estimate({
      ...options,
      codeVersion: 'abc',
      onProgress: ({ phase, done, total }) => told.push(`${phase} ${done <= total}`),
    });
    whole = plan;
    const outcome = await bulkLoad(options);
    expect(plan).toMatchObject({ codeVersion: 'abc', events, fence: options.fence.toString(), unknown: [] });
    expect(plan.sample.events).toBe(events);
    const rows = Object.fromEntries(
      plan.tables
        .filter(({ rows: { value } }) => value > 0)
        .map(({ tier, table, rows }) => [`${tier}.${table}`, rows.value]),
    );
    const loaded = Object.fromEntries(Object.entries(outcome.rows).filter(([, count]) => count > 0));
    expect(rows).toEqual(loaded);
    expect(new Set(told)).toEqual(new Set(['scan true', 'load true']));
    expect(plan.poison).toEqual({ found: [], sequences: 0 });
    // Plain data: it is stored with the run.
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(existsSync(options.spoolFolder)).toBe(false);
    expect(await scratchSchemas()).toEqual([]);
    expect(await loadedRows(fixture.pool(fixture.urlOf('oltp')), tiers[0]!.targets[0]!.schema)).not.toEqual(
      {},
    );
  });

  it('says from a part of the log what the whole comes to, within its bounds', async () => {
    const part = await estimated({ sampleEvents: 1_200 });
    expect(part.sample.events).toBeLessThan(0.7 * events);
    expect(part.sample.events).toBeGreaterThan(0.2 * events);
    expect(part.events).toBe(events);
    expect(Math.abs(part.logBytes / whole.logBytes - 1)).toBeLessThan(0.3);
    for (const { table, rows } of part.tables) {
      const real = whole.tables.find((other) => other.table === table)!.rows.value;
      // A few rows, or none, say nothing about more.
      if (real < 200) continue;
      expect({ table, ratio: rows.value / real }).toMatchObject({
        table,
        ratio: expect.closeTo(1, 0) as number,
      });
      expect({ table, isWithin: rows.low <= 1.3 * real && rows.high >= 0.7 * real }).toEqual({
        table,
        isWithin: true,
      });
    }
  });

  it('gives every phase its time, and bounds around it', () => {
    const { phases, seconds, spool, servers, skew, sample } = whole;
    expect(phases.map(({ phase }) => phase)).toEqual(['prepare', 'scan', 'load', 'index']);
    for (const phase of phases) {
      expect(phase.seconds.low).toBeLessThanOrEqual(phase.seconds.value);
      expect(phase.seconds.high).toBeGreaterThanOrEqual(phase.seconds.value);
      expect(phase.seconds.value).toBeGreaterThan(0);
    }
    expect(seconds.value).toBeCloseTo(
      phases.reduce((sum, phase) => sum + phase.seconds.value, 0),
      6,
    );
    expect(sample.seconds).toBeGreaterThan(0);
    expect(spool).toMatchObject({ isEnough: true, bytes: expect.any(Number) as number });
    expect(servers).toHaveLength(1);
    expect(servers[0]).toMatchObject({
      tiers: ['oltp', 'content', 'olap'],
      connectionsNeeded: 10,
      isEnough: true,
    });
    expect(servers[0]!.diskFreeBytes).toBeGreaterThan(servers[0]!.bytesNeeded);
    for (const { tier } of projectionTiers) {
      const { tenants, slots } = skew[tier]!;
      expect(tenants).toHaveLength(4);
      expect(tenants.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
      expect(slots[0]!.share).toBeGreaterThanOrEqual(slots.at(-1)!.share);
    }
  });

  it('counts only the rows that move when slots are re-partitioned', async () => {
    const [oltp] = tiers;
    const slots = { from: 0, to: 1_023 };
    const quarter = {
      ...oltp!,
      targets: oltp!.targets.map((target) => ({ ...target, coverage: { ...target.coverage, slots } })),
    };
    const plan = await estimated({ tiers: [quarter] });
    const rowsOf = ({ tables }: Estimate) =>
      tables.reduce((sum, { tier, rows }) => sum + (tier === 'oltp' ? rows.value : 0), 0);
    expect(rowsOf(plan) / rowsOf(whole)).toBeGreaterThan(0.15);
    expect(rowsOf(plan) / rowsOf(whole)).toBeLessThan(0.35);
  });

  it('removes what a killed one has left, and is refused beside another', async () => {
    await queryAsSuperuser(fixture.urlOf('oltp'), 'create schema estimate_oltp_7');
    const results = await Promise.allSettled([estimated(), estimated()]);
    const refusals = results.flatMap((result) =>
      result.status === 'rejected' ? [String(result.reason)] : [],
    );
    expect(refusals).toEqual(['EstimateRefused: another estimate is under way in the same database']);
    expect(await scratchSchemas()).toEqual([]);
  });

  it('leaves nothing behind when it is stopped', async () => {
    const options = await fixture.options(tiers.slice(0, 1));
    const stop = new AbortController();
    const stopped = estimate({
      ...options,
      codeVersion: 'test',
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow();
    expect(await scratchSchemas()).toEqual([]);
    expect(existsSync(options.spoolFolder)).toBe(false);
  });

  it('names events that no build knows, and the sequences they would stop', async () => {
    const tenantId = idOf('tenant');
    const metadata = { tenantId, schemaVersion: 1 };
    await fixture.node
      .client()
      .appendToStream(
        streamName('conversation', tenantId, randomUUID()),
        jsonEvent({ type: 'NeverHeardOf', data: {}, metadata }),
      );
    await fixture.keepLedger();
    const { unknown, poison } = await estimated();
    expect(unknown).toEqual([
      { name: 'NeverHeardOf.v1', events: 1, reason: expect.stringContaining('NeverHeardOf') as string },
    ]);
    expect(poison.sequences).toBe(1);
    expect(poison.found[0]).toMatchObject({ tier: 'oltp', eventType: 'NeverHeardOf' });
  });
});
