import type { Pool } from 'pg';
import { allSlots, divided, type SlotRange } from '../../../../../apps/shared/generations/coverage';
import { createPool } from '../../../../../apps/shared/postgres/pool';
import { foldEvent, partFor, type ReadableEvent } from '../../../../../apps/shared/projecting/fold-event';
import { Lane } from '../../../../../apps/shared/projecting/lane';
import { takeFreeLanes } from '../../../../../apps/shared/projecting/lane-lease';
import { loaderPool } from '../../../../../apps/shared/rebuilding/load/loader-pool';
import { migrate } from '../../../../../apps/shared/postgres/migrate';
import type { AnyTable } from '../../../../../projections/projection';
import type { ProjectionTier } from '../../../../../projections/tier';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../../../support/postgres';

const bounds = {
  applicationName: 'test',
  maxConnections: 2,
  statementTimeoutMs: 10_000,
  queryTimeoutMs: 10_000,
  connectionTimeoutMs: 10_000,
};

/** A server with one database, whose owner is no superuser: row-level security holds for it as it does in production. */
export interface LoadedDatabase {
  readonly postgres: TestPostgres;
  /** Of the superuser. */
  readonly url: string;
  readonly ownerUrl: string;
  readonly owner: Pool;
  readonly projector: Pool;
  readonly auditor: Pool;
  /** A new schema with the tables of the tier and so many lanes. */
  newSchema(tier: ProjectionTier, coverage?: SlotRange, lanes?: number): Promise<string>;
  stop(): Promise<void>;
}

export async function startLoadedDatabase(): Promise<LoadedDatabase> {
  const postgres = await startTestPostgres();
  const url = await postgres.createDatabase();
  await queryAsSuperuser(url, 'create role plain_owner login createrole');
  await queryAsSuperuser(url, `grant create on database ${new URL(url).pathname.slice(1)} to plain_owner`);
  const ownerUrl = url.replace('user=postgres', 'user=plain_owner');
  const owner = loaderPool(ownerUrl, 4);
  const projector = createPool(url, { ...bounds, role: 'mailfold_projector' });
  const auditor = createPool(url, { ...bounds, role: 'mailfold_auditor' });
  let schemas = 0;
  return {
    ...{ postgres, url, ownerUrl, owner, projector, auditor },
    newSchema: async (tier, coverage = allSlots, lanes = 1) => {
      const schema = `g${(schemas += 1)}`;
      await migrate(ownerUrl, tier.tier, { schema });
      for (const [lane, { from, to }] of divided(coverage, lanes).entries())
        await owner.query(
          `insert into ${schema}.checkpoints (lane, slot_from, slot_to) values ($1, $2, $3)`,
          [...[lane, from, to]],
        );
      return schema;
    },
    stop: async () => {
      await Promise.all([owner, projector, auditor].map((pool) => pool.end()));
      await postgres.stop();
    },
  };
}

/** Every key, index, reference, trigger and protection of the schema's tables, as PostgreSQL spells them. */
export async function definitionsOf(url: string, schema: string): Promise<string[]> {
  const rows = await queryAsSuperuser<{ definition: string }>(
    url,
    `with relations as (select c.oid, c.relname from pg_class c
       where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p'))
     select r.relname || ': ' || c.conname || ' ' || pg_get_constraintdef(c.oid) || c.convalidated as definition
       from relations r join pg_constraint c on c.conrelid = r.oid
     union all select relname || ': ' || pg_get_indexdef(i.indexrelid) || ' valid ' || i.indisvalid
       from relations r join pg_index i on i.indrelid = r.oid
     union all select relname || ': ' || pg_get_triggerdef(t.oid)
       from relations r join pg_trigger t on t.tgrelid = r.oid where not t.tgisinternal
     union all select relname || ' row security ' || c.relrowsecurity || c.relforcerowsecurity
       from relations r join pg_class c using (oid, relname)
     order by 1`,
    [schema],
  );
  return rows.map(({ definition }) => definition);
}

/** A tier of these tables, for what a tier is only asked for its tables. */
export function tierOf(...tables: readonly AnyTable[]): ProjectionTier {
  return { tier: 'oltp', withContent: false, projections: [{ name: 'test', tables, project: () => [] }] };
}

/** The reference: all lanes of the schema take the events as they do when they come live. */
export async function projectLive(
  { projector }: LoadedDatabase,
  schema: string,
  tier: ProjectionTier,
  events: readonly ReadableEvent[],
): Promise<void> {
  const signal = new AbortController().signal;
  for (const lease of await takeFreeLanes(projector, schema, 'test')) {
    const lane = new Lane({ pool: projector, tier: tier.tier, schema, lease, signal });
    for (const event of events) {
      const folded = foldEvent(tier, event);
      if (folded !== null) await lane.offer(partFor(lease.coverage, folded));
    }
    await lane.settled();
  }
}
