import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Client, Pool } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { tablesOf } from '../../projections/tiers';
import type { TierToLoad } from '../../apps/shared/rebuilding/contracts';
import { bareTables } from '../../apps/shared/rebuilding/load/bare-tables';
import { buildIndexes } from '../../apps/shared/rebuilding/load/build-indexes';
import { tierNamed } from '../../apps/shared/rebuilding/target-pools';
import { serveHelper } from '../harness/helper-process';
import { tablesWithRows } from '../../test/support/tier-rows';

/** The rows of a tier's generation, table by table, in files in COPY's binary format. */
interface DumpedTier {
  readonly tier: string;
  readonly tables: readonly string[];
}

/** What PostgreSQL takes for rows that nobody has to make: the limit of every way to fill a tier. */
export type CopyLoad = {
  /** Writes the rows of the given generations into files below `folder`. */
  dump(argument: { folder: string; tiers: readonly TierToLoad[] }): Promise<void>;
  /** COPYs some of them into empty generations without indexes, all tiers at once. */
  copy(argument: RowsToCopy): Promise<void>;
  /** The same, and makes the indexes of all tables. Resolves to its seconds. */
  load(argument: RowsToCopy): Promise<number>;
};

export interface RowsToCopy {
  readonly tiers: readonly TierToLoad[];
  /** What a rebuild copies while it reads the log, what it folds afterwards, or both. */
  readonly tables: 'written once' | 'folded' | 'all';
}

export const copyLoadFile = 'bench/load/copy-load.js';

let folder = '';
let dumped: readonly DumpedTier[] = [];

const methods: CopyLoad = {
  dump: async (argument) => {
    folder = argument.folder;
    dumped = await Promise.all(argument.tiers.map(dumpTier));
  },
  copy: async ({ tiers, tables }) => {
    await Promise.all(tiers.map((tier) => copyTier(tier, tables)));
  },
  load: async ({ tiers, tables }) => {
    const startedAt = performance.now();
    await Promise.all(
      tiers.map(async (tier) => {
        await copyTier(tier, tables);
        await indexTier(tier);
      }),
    );
    return (performance.now() - startedAt) / 1_000;
  },
};

async function dumpTier(tier: TierToLoad): Promise<DumpedTier> {
  const { databaseUrl, schema } = soleTarget(tier);
  const tables = await tablesWithRows({ url: databaseUrl, schema });
  await connected(databaseUrl, async (client) => {
    for (const table of tables)
      await pipeline(
        client.query(copyTo(`copy (select * from ${schema}.${table}) to stdout (format binary)`)),
        createWriteStream(fileOf(tier.tier, table)),
      );
  });
  return { tier: tier.tier, tables };
}

async function copyTier(toLoad: TierToLoad, which: RowsToCopy['tables']): Promise<void> {
  const { databaseUrl, schema } = soleTarget(toLoad);
  const tier = tierNamed(toLoad.tier);
  const tables = dumped.find((each) => each.tier === toLoad.tier)?.tables;
  if (tables === undefined) throw new Error(`${toLoad.tier} was not dumped`);
  const writtenOnce = new Set(tablesOf(tier).flatMap((table) => (table.isWrittenOnce ? [table.name] : [])));
  const wanted = tables.filter(
    (name) => which === 'all' || writtenOnce.has(name) === (which === 'written once'),
  );
  await asOwner(databaseUrl, (owner) => bareTables(owner, schema, tier));
  await connected(databaseUrl, async (client) => {
    for (const table of wanted)
      await pipeline(
        createReadStream(fileOf(toLoad.tier, table), { highWaterMark: 256 * 1024 }),
        client.query(copyFrom(`copy ${schema}.${table} from stdin (format binary)`)),
      );
  });
}

async function indexTier(toLoad: TierToLoad): Promise<void> {
  const { databaseUrl, schema } = soleTarget(toLoad);
  const { signal } = new AbortController();
  await asOwner(databaseUrl, (owner) => buildIndexes(owner, schema, tierNamed(toLoad.tier), { signal }));
}

async function asOwner(databaseUrl: string, work: (owner: Pool) => Promise<void>): Promise<void> {
  const owner = new Pool({ connectionString: databaseUrl, max: 4 });
  try {
    await work(owner);
  } finally {
    await owner.end();
  }
}

function soleTarget({ tier, targets }: TierToLoad): TierToLoad['targets'][number] {
  const [target] = targets;
  if (target === undefined) throw new Error(`${tier} has no target`);
  return target;
}

function fileOf(tier: string, table: string): string {
  return join(folder, `${tier}.${table}.copy`);
}

async function connected(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

if (require.main === module) serveHelper(methods);
