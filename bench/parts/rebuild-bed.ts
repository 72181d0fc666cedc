import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'pg';
import type { Tier } from '../../projections/projection';
import { projectionTier, projectionTiers } from '../../projections/tiers';
import { sampleLog, type SampleLog } from '../../apps/dev/sample-log/sample-log';
import { createEventStore } from '../../apps/shared/event-store/esdb-event-store';
import { allSlots } from '../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  ensureFirstGeneration,
  retireGeneration,
  startTailing,
  type DatabaseUrls,
} from '../../apps/shared/generations/generations';
import { readPlacement, switchPointers } from '../../apps/shared/generations/placement';
import { createKeyRing, type KeyRing } from '../../apps/shared/keys/key-ring';
import { createMailParser, replayParseTimeoutMs } from '../../apps/shared/mail/mail-parser';
import { migrate } from '../../apps/shared/postgres/migrate';
import { createPool } from '../../apps/shared/postgres/pool';
import { replay } from '../../apps/shared/projecting/replay';
import type { LogToRead, TierToLoad } from '../../apps/shared/rebuilding/contracts';
import type { RowContext } from '../harness/row';
import { startBenchNode } from './bench-node';
import { startBenchPostgres, type BenchPostgres } from './bench-postgres';
import { fillSampleLog, type FilledLog } from './fill-sample-log';
import { tableDigests, type TableDigest } from '../../test/support/tier-rows';

/** A new generation of every tier, of one target that holds all of it or one tenant. */
export interface NewGenerations {
  readonly tiers: readonly TierToLoad[];
  /** Lets it serve, as a cut-over does once all is proven. */
  switchTo(): Promise<void>;
  drop(): Promise<void>;
}

export type TierDigests = Readonly<Record<string, readonly TableDigest[]>>;

/** A sample log behind a node, and a database per tier: what all rows about rebuilds stand on. */
export interface RebuildBed {
  readonly sample: Pick<SampleLog, 'tenants'>;
  readonly filled: FilledLog;
  readonly log: LogToRead;
  readonly processes: readonly { name: string; pid: number; withChildren?: boolean }[];
  readonly spoolFolder: string;
  tierUrl(tier: Tier): string;
  newGenerations(tenantId?: string): Promise<NewGenerations>;
  /** Of the generations' rows, by tier. */
  digests(tiers: readonly TierToLoad[]): Promise<TierDigests>;
  /** Fills new generations up to a position by the lanes that keep them live. The reference for what a rebuild must give. */
  replayed(upTo: bigint): Promise<NewGenerations>;
  checkpoint(): Promise<void>;
}

export interface BedOptions {
  readonly events: number;
  readonly tenants?: number;
}

const timeouts = { statementTimeoutMs: 600_000, queryTimeoutMs: 600_000, connectionTimeoutMs: 10_000 };

export async function openRebuildBed(context: RowContext, options: BedOptions): Promise<RebuildBed> {
  const postgres = await startBenchPostgres(context);
  const urls: DatabaseUrls = new Map(
    await Promise.all(
      projectionTiers.map(async ({ tier }) => [databaseRefOf(tier), await postgres.create(tier)] as const),
    ),
  );
  const [controlUrl, keysUrl] = [await postgres.create('control'), await postgres.create('keys')];
  await Promise.all([migrate(controlUrl, 'control'), migrate(keysUrl, 'keys')]);
  const control = pool(context, controlUrl);
  for (const { tier } of projectionTiers) await ensureFirstGeneration(control, urlOf(urls, tier), tier);
  const rootKey = randomBytes(32);
  const keys = createKeyRing({ pool: pool(context, keysUrl), rootKey });
  const { sample, filled, node } = await startLog(context, postgres, keys, options);
  const log = { eventStoreUrl: node.url, keysDatabaseUrl: keysUrl, rootKey };
  const spoolFolder = await mkdtemp(join(tmpdir(), 'mailfold-bench-spool-'));
  context.onClose(() => rm(spoolFolder, { recursive: true, force: true }));
  const newGenerations: RebuildBed['newGenerations'] = (tenantId) =>
    makeGenerations(control, urls, tenantId ?? null);
  return {
    ...{ sample, filled, log, spoolFolder, newGenerations },
    processes: [
      { name: 'node', pid: node.pid },
      { name: 'postgres', pid: postgres.pid, withChildren: true },
    ],
    tierUrl: (tier) => urlOf(urls, tier),
    digests: digestsOf,
    replayed: async (upTo) => {
      const generations = await newGenerations();
      await fillByLanes(context, { log, keys, tiers: generations.tiers, upTo });
      return generations;
    },
    checkpoint: () => control.query('checkpoint').then(() => undefined),
  };
}

async function startLog(
  context: RowContext,
  postgres: BenchPostgres,
  keys: KeyRing,
  { events, tenants }: BedOptions,
): Promise<{ sample: SampleLog; filled: FilledLog; node: { url: string; pid: number } }> {
  const { seed } = context;
  const sample = sampleLog({ seed, events, keys, ...(tenants === undefined ? {} : { tenants }) });
  const url = await postgres.create('events');
  const filled = await fillSampleLog(url, sample, { eventsWanted: events, keys }, context);
  const node = await startBenchNode(url);
  context.onClose(() => node.stop());
  return { sample, filled, node };
}

async function makeGenerations(
  control: Pool,
  urls: DatabaseUrls,
  tenantId: string | null,
): Promise<NewGenerations> {
  const coverage = { slots: allSlots, tenantId };
  const moveTo = async (tier: Tier, generation: number | null): Promise<void> => {
    const { epoch } = await readPlacement(control, tier);
    const move = tenantId === null ? { slots: allSlots, to: generation ?? 1 } : { tenantId, to: generation };
    await switchPointers(control, tier, { epoch, moves: [move] });
  };
  const made = await Promise.all(
    projectionTiers.map(({ tier }) =>
      createGeneration(control, urls, tier, {
        ...{ codeVersion: 'bench', kind: 'rebuild' },
        targets: [{ databaseRef: databaseRefOf(tier), coverage }],
      }),
    ),
  );
  return {
    tiers: made.map(({ tier, generation, targets }) => ({
      tier,
      targets: targets.map(({ schema }) => ({
        ...{ generation, schema, databaseUrl: urlOf(urls, tier) },
        coverage: { ...coverage, except: [] },
      })),
    })),
    switchTo: async () => {
      for (const { tier, generation } of made) {
        await startTailing(control, tier, generation);
        await moveTo(tier, generation);
      }
    },
    drop: async () => {
      for (const { tier, generation } of made) {
        await moveTo(tier, null);
        await retireGeneration(control, urls, tier, generation);
      }
    },
  };
}

async function digestsOf(tiers: readonly TierToLoad[]): Promise<TierDigests> {
  const digests: Record<string, readonly TableDigest[]> = {};
  for (const { tier, targets } of tiers)
    for (const { databaseUrl: url, schema } of targets) digests[tier] = await tableDigests({ url, schema });
  return digests;
}

async function fillByLanes(
  context: RowContext,
  { log, keys, tiers, upTo }: { log: LogToRead; keys: KeyRing; tiers: readonly TierToLoad[]; upTo: bigint },
): Promise<void> {
  const store = createEventStore({ url: log.eventStoreUrl, keys });
  const parser = createMailParser({ threads: 2, timeoutMs: replayParseTimeoutMs });
  try {
    for (const { tier, targets } of tiers)
      for (const { databaseUrl, schema } of targets) {
        const projectionTierOf = projectionTier(tier);
        if (projectionTierOf === undefined) throw new Error(`${tier} is no tier`);
        context.notice(`the reference: ${tier} by the live lanes …`);
        await replay({
          ...{ store, parser, schema, until: upTo, signal: context.signal },
          ...{ tier: projectionTierOf, pool: pool(context, databaseUrl, 'mailfold_projector') },
        });
      }
    context.signal.throwIfAborted();
  } finally {
    await Promise.all([store.close(), parser.close()]);
  }
}

function pool(context: RowContext, url: string, role?: string): Pool {
  const opened = createPool(url, {
    ...{ applicationName: 'mailfold-bench', maxConnections: 4, ...timeouts },
    ...(role === undefined ? {} : { role }),
  });
  context.onClose(() => opened.end());
  return opened;
}

function urlOf(urls: DatabaseUrls, tier: Tier): string {
  const url = urls.get(databaseRefOf(tier));
  if (url === undefined) throw new Error(`${tier} has no database`);
  return url;
}
