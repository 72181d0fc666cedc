import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Client, Pool } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { projectionTier } from '../../projections/tiers';
import type { TierToLoad } from '../../apps/shared/rebuilding/contracts';
import { bareTables } from '../../apps/shared/rebuilding/load/bare-tables';
import { buildIndexes } from '../../apps/shared/rebuilding/load/build-indexes';
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
  /** COPYs them into empty generations without indexes, all tiers at once, and makes the indexes. Resolves to its seconds. */
  load(argument: { tiers: readonly TierToLoad[] }): Promise<number>;
};

export const copyLoadFile = 'bench/load/copy-load.js';

let folder = '';
let dumped: readonly DumpedTier[] = [];

const methods: CopyLoad = {
  dump: async (argument) => {
    folder = argument.folder;
    dumped = await Promise.all(argument.tiers.map(dumpTier));
  },
  load: async ({ tiers }) => {
    const startedAt = performance.now();
    await Promise.all(tiers.map(loadTier));
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

async function loadTier(toLoad: TierToLoad): Promise<void> {
  const { databaseUrl, schema } = soleTarget(toLoad);
  const tier = projectionTier(toLoad.tier);
  const tables = dumped.find((each) => each.tier === toLoad.tier)?.tables;
  if (tier === undefined || tables === undefined) throw new Error(`${toLoad.tier} was not dumped`);
  const owner = new Pool({ connectionString: databaseUrl, max: 4 });
  try {
    await bareTables(owner, schema, tier);
    await connected(databaseUrl, async (client) => {
      for (const table of tables)
        await pipeline(
          createReadStream(fileOf(toLoad.tier, table), { highWaterMark: 256 * 1024 }),
          client.query(copyFrom(`copy ${schema}.${table} from stdin (format binary)`)),
        );
    });
    await buildIndexes(owner, schema, tier, { signal: new AbortController().signal });
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
