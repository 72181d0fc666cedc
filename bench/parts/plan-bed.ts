import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { runMailfold, type CliRecord } from '../../apps/dev/demo-cli';
import { sampleLog } from '../../apps/dev/sample-log/sample-log';
import { createEventStore } from '../../apps/shared/event-store/esdb-event-store';
import { databaseRefOf, ensureFirstGeneration } from '../../apps/shared/generations/generations';
import { createKeyRing, type KeyRing } from '../../apps/shared/keys/key-ring';
import { keepLedger } from '../../apps/shared/log-ledger/keep-ledger';
import { LogLedger } from '../../apps/shared/log-ledger/log-ledger';
import { migrate } from '../../apps/shared/postgres/migrate';
import { createPool } from '../../apps/shared/postgres/pool';
import { projectionTiers } from '../../projections/tiers';
import type { RowContext } from '../harness/row';
import { startBenchNode } from './bench-node';
import { startBenchPostgres } from './bench-postgres';
import { fillSampleLog } from './fill-sample-log';

/** A sample log behind a node, with its ledger, and databases for all tiers, as `mailfold` finds them where nobody writes. */
export interface PlanBed {
  /** Runs `mailfold --json <args>` on it; resolves to what it printed. */
  mailfold(...args: readonly string[]): Promise<CliRecord[]>;
  checkpoint(): Promise<void>;
  readonly processes: readonly { name: string; pid: number; withChildren?: boolean }[];
}

const ledgerPollMs = 250;
const timeouts = { statementTimeoutMs: 60_000, queryTimeoutMs: 61_000, connectionTimeoutMs: 10_000 };

export async function openPlanBed(context: RowContext, events: number): Promise<PlanBed> {
  const { seed, signal } = context;
  const postgres = await startBenchPostgres(context);
  const [controlUrl, keysUrl, logUrl] = [
    await postgres.create('control'),
    await postgres.create('keys'),
    await postgres.create('events'),
  ];
  await Promise.all([migrate(controlUrl, 'control'), migrate(keysUrl, 'keys')]);
  const [control, keysPool] = [pool(context, controlUrl), pool(context, keysUrl)];
  const tierUrls: Record<string, string> = {};
  for (const { tier } of projectionTiers) {
    const url = await postgres.create(tier);
    tierUrls[databaseRefOf(tier)] = url;
    await ensureFirstGeneration(control, url, tier);
  }
  const rootKey = randomBytes(32);
  const keys = createKeyRing({ pool: keysPool, rootKey });
  const sample = sampleLog({ seed, events, keys });
  const { head } = await fillSampleLog(logUrl, sample, { eventsWanted: events, keys }, context);
  const node = await startBenchNode(logUrl);
  context.onClose(() => node.stop());
  context.notice('counting the log into its ledger …');
  await countLog({ url: node.url, keys, control, head, signal });
  const dataDir = await mkdtemp(join(tmpdir(), 'mailfold-bench-plan-'));
  context.onClose(() => rm(dataDir, { recursive: true, force: true }));
  const env = {
    ...{ ...tierUrls, CONTROL_DATABASE_URL: controlUrl, KEYS_DATABASE_URL: keysUrl },
    ...{ EVENTSTORE_URL: node.url, MAILFOLD_ROOT_KEY: rootKey.toString('base64'), DATA_DIR: dataDir },
  };
  return {
    mailfold: (...args) => runMailfold(args, env, signal),
    checkpoint: () => control.query('checkpoint').then(() => undefined),
    processes: [
      { name: 'node', pid: node.pid },
      { name: 'postgres', pid: postgres.pid, withChildren: true },
    ],
  };
}

/** As the projector keeps it: a plan asks the ledger where the log's segments are, and what is in them. */
async function countLog(log: {
  readonly url: string;
  readonly keys: KeyRing;
  readonly control: Pool;
  readonly head: bigint;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { url, keys, control, head, signal } = log;
  const store = createEventStore({ url, keys });
  const counted = new AbortController();
  const keeping = keepLedger({
    ...{ store, pool: control, owner: 'bench' },
    signal: AbortSignal.any([counted.signal, signal]),
  });
  try {
    const ledger = new LogLedger(control, store);
    const isBehind = async (): Promise<boolean> => ((await ledger.head())?.position ?? -1n) < head;
    while (await isBehind()) await delay(ledgerPollMs, undefined, { signal });
  } finally {
    counted.abort();
    await keeping;
    await store.close();
  }
}

function pool(context: RowContext, url: string): Pool {
  const opened = createPool(url, { applicationName: 'mailfold-bench', maxConnections: 4, ...timeouts });
  context.onClose(() => opened.end());
  return opened;
}
