import type { ClientBase, Pool } from 'pg';
import type { ProjectionTier } from '../../../../projections/tier';
import { tablesOf } from '../../../../projections/tiers';
import { inTransaction } from '../../postgres/transaction';
import { isDone, unitDone } from './load-units';

const unit = 'bare tables';

/**
 * Takes off the tables of a tier what makes each new row dear: keys, indexes, references and triggers, and the policies' hold
 * on their owner, without which COPY refuses to run. Their definitions stay in `deferred_definitions` of the schema until
 * {@link buildIndexes} has made them again. Checks stay: they are how PostgreSQL finds a row that is poison.
 * All of it or nothing, once per schema; `owner` logs in as owner of the schema. The tables must be empty: throws otherwise.
 */
export async function bareTables(owner: Pool, schema: string, tier: ProjectionTier): Promise<void> {
  const tables = tablesOf(tier).map(({ name }) => name);
  await inTransaction(owner, async (client) => {
    // Of two callers at once the second waits here, and then finds it done.
    await client.query(`lock table ${schema}.load_units in share row exclusive mode`);
    if (await isDone(client, schema, unit)) return;
    // Names that lead elsewhere without their schema get it in the definitions.
    await client.query('set local search_path = pg_catalog');
    await client.query(remember(schema), [schema, tables]);
    // The reverse order: what leads to a key goes before it.
    const { rows } = await client.query<{ removal: string }>(
      `select removal from ${schema}.deferred_definitions order by ordinal desc`,
    );
    for (const { removal } of rows) await client.query(removal);
    // Only now does row-level security not hide rows from an owner who is no superuser.
    for (const table of tables) await refuseRows(client, schema, table);
    await unitDone(client, schema, unit);
  });
}

async function refuseRows(client: ClientBase, schema: string, table: string): Promise<void> {
  const { rowCount } = await client.query(`select 1 from ${schema}.${table} limit 1`);
  if (rowCount !== 0) throw new Error(`${schema}.${table} holds rows already: a bulk load begins with none`);
}

/**
 * Of partitioned tables the definition of the parent, which makes that of all partitions again, and what a partition has
 * for itself. The order is that in which they can be made: a reference needs the key it leads to.
 */
const remember = (schema: string): string => `
  with named as (
    select c.oid, c.relname as root, c.relforcerowsecurity as is_forced
    from pg_class c where c.relnamespace = to_regnamespace(quote_ident($1)) and c.relname = any ($2::text[])
  ), relations as (
    select oid, root from named
    union select p.relid, n.root from named n cross join lateral pg_partition_tree(n.oid) p
  ), definitions as (
    select r.root, c.conname as name, case c.contype when 'f' then 'reference' else 'key' end as kind,
           format('alter table %s add constraint %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)) as definition,
           format('alter table %s drop constraint %I', c.conrelid::regclass, c.conname) as removal
    from relations r join pg_constraint c on c.conrelid = r.oid
    where c.contype in ('p', 'u', 'x', 'f') and c.conparentid = 0
    union all
    -- Of a partitioned table it says ON ONLY, which would leave the partitions without.
    select r.root, i.relname, 'index', replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON '),
           format('drop index %s', i.oid::regclass)
    from relations r join pg_index x on x.indrelid = r.oid join pg_class i on i.oid = x.indexrelid
    where not i.relispartition
      and not exists (select from pg_constraint c where c.conindid = i.oid and c.contype in ('p', 'u', 'x'))
    union all
    select r.root, t.tgname, 'trigger', pg_get_triggerdef(t.oid),
           format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)
    from relations r join pg_trigger t on t.tgrelid = r.oid where not t.tgisinternal and t.tgparentid = 0
    union all
    select root, root, 'row security', format('alter table %s force row level security', oid::regclass),
           format('alter table %s no force row level security', oid::regclass)
    from named where is_forced
  )
  insert into ${schema}.deferred_definitions (ordinal, table_name, name, kind, definition, removal)
  select row_number() over (order by array_position('{key,index,reference,trigger,row security}', kind), root, name),
         root, name, kind, definition, removal
  from definitions`;
