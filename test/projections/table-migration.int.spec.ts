import { migrate } from '../../apps/shared/postgres/migrate';
import type { AnyTable } from '../../projections/projection';
import { projectionTiers, tablesOf } from '../../projections/tiers';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../support/postgres';

let postgres: TestPostgres;
let url: string;

beforeAll(async () => {
  postgres = await startTestPostgres();
  url = await postgres.createDatabase();
});
afterAll(() => postgres.stop());

/** Of every generation, made by migrations/generation and folded from no event. */
const ownTables = [
  'checkpoints',
  'deferred_definitions',
  'history_partitions',
  'load_units',
  'migrations_generation',
  'parked_sequences',
  'stopped_sequences',
];
/** What the lane stamps on every row (architecture.md §5). */
const stampedColumns = { tenant_id: 'uuid', slot: 'smallint', log_position: 'bigint' };

const tables = projectionTiers.flatMap((tier) =>
  tablesOf(tier).map((table) => ({ tier: tier.tier, name: table.name, table })),
);

async function columnsOf(schema: string, table: string): Promise<Record<string, string>> {
  const rows = await queryAsSuperuser<{ name: string; type: string }>(
    url,
    `select a.attname as name, format_type(a.atttypid, null) as type
     from pg_attribute a where a.attrelid = format('%I.%I', $1::text, $2::text)::regclass
       and a.attnum > 0 and not a.attisdropped`,
    [schema, table],
  );
  // A width is the database's concern: a fold holds a text either way.
  const spellings: Record<string, string> = {
    'character varying': 'text',
    'timestamp with time zone': 'timestamptz',
  };
  return Object.fromEntries(rows.map(({ name, type }) => [name, spellings[type] ?? type]));
}

async function primaryKeyOf(schema: string, table: string): Promise<string[]> {
  const rows = await queryAsSuperuser<{ name: string }>(
    url,
    `select a.attname as name
     from pg_index i cross join unnest(i.indkey) with ordinality as k(attnum, ordinal)
     join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indisprimary and i.indrelid = format('%I.%I', $1::text, $2::text)::regclass
     order by k.ordinal`,
    [schema, table],
  );
  return rows.map(({ name }) => name);
}

async function rowSecurityOf(schema: string, table: string) {
  const [row] = await queryAsSuperuser<{ enabled: boolean; forced: boolean; policies: string[] }>(
    url,
    `select c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
       array(select p.polname::text from pg_policy p where p.polrelid = c.oid order by 1) as policies
     from pg_class c where c.oid = format('%I.%I', $1::text, $2::text)::regclass`,
    [schema, table],
  );
  return row;
}

function expectedKey({ primaryKey, isKeyedBySlot }: AnyTable): string[] {
  return ['tenant_id', ...primaryKey, ...(isKeyedBySlot ? ['slot'] : [])];
}

describe('the tables of the projections in a migrated generation', () => {
  beforeAll(async () => {
    for (const { tier } of projectionTiers) await migrate(url, tier, { schema: `of_${tier}` });
  });

  it.each(tables)('$tier.$name has the columns and types its folds write', async ({ tier, name, table }) => {
    expect(await columnsOf(`of_${tier}`, name)).toEqual({ ...table.columns, ...stampedColumns });
  });

  it.each(tables)('$tier.$name is keyed by tenant and its own key', async ({ tier, name, table }) => {
    expect(await primaryKeyOf(`of_${tier}`, name)).toEqual(expectedKey(table));
  });

  it.each(tables)('$tier.$name keeps tenants apart, even from its owner', async ({ tier, name }) => {
    expect(await rowSecurityOf(`of_${tier}`, name)).toEqual({
      enabled: true,
      forced: true,
      policies: ['audit_reads', 'lane_writes', 'tenant_reads'],
    });
  });

  it.each(projectionTiers)('$tier has no table that no projection fills', async ({ tier }) => {
    const rows = await queryAsSuperuser<{ name: string }>(
      url,
      `select relname as name from pg_class
       where relnamespace = to_regnamespace($1) and relkind in ('r', 'p') and not relispartition`,
      [`of_${tier}`],
    );
    const filled = tables.filter((table) => table.tier === tier).map(({ name }) => name);
    const expected = [...filled, ...ownTables, `migrations_${tier}`];
    expect(rows.map(({ name }) => name).sort()).toEqual(expected.sort());
  });
});
