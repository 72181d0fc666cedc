import { bareTables } from '../../../../../apps/shared/rebuilding/load/bare-tables';
import { buildIndexes } from '../../../../../apps/shared/rebuilding/load/build-indexes';
import type { AnyTable } from '../../../../../projections/projection';
import { oltpTier } from '../../../../../projections/oltp';
import { projectionTiers } from '../../../../../projections/tiers';
import { queryAsSuperuser } from '../../../../support/postgres';
import { definitionsOf, startLoadedDatabase, tierOf, type LoadedDatabase } from './loaded-schema';

let database: LoadedDatabase;

beforeAll(async () => {
  database = await startLoadedDatabase();
});
afterAll(() => database.stop());

const never = new AbortController().signal;

/** What is left of the definitions on tables of the tier, apart from checks. */
async function left(schema: string, tables: readonly string[]): Promise<string[]> {
  const definitions = await definitionsOf(database.url, schema);
  return definitions.filter(
    (text) =>
      tables.some((table) => text.startsWith(table)) && /PRIMARY KEY|UNIQUE|FOREIGN|INDEX|TRIGGER/.test(text),
  );
}

describe('bare tables', () => {
  it.each(projectionTiers)('of $tier get back exactly what they had', async (tier) => {
    const schema = await database.newSchema(tier);
    const before = await definitionsOf(database.url, schema);
    await bareTables(database.owner, schema, tier);
    const tables = tier.projections.flatMap((projection) => projection.tables.map(({ name }) => name));
    expect(await left(schema, tables)).toEqual([]);
    const told: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }) => told.push(done / total);
    await buildIndexes(database.owner, schema, tier, { signal: never, onProgress });
    expect(await definitionsOf(database.url, schema)).toEqual(before);
    expect(told.at(-1)).toBe(1);
  });

  it('are those of every partition, reference and trigger as well', async () => {
    const schema = await database.newSchema(oltpTier);
    await queryAsSuperuser(
      database.ownerUrl,
      `set search_path = ${schema};
       create table parent (tenant_id uuid, id int, day date, primary key (tenant_id, id, day), unique (id, day)) partition by range (day);
       create table parent_2026 partition of parent for values from ('2026-01-01') to ('2027-01-01') partition by range (id);
       create table parent_2026_low partition of parent_2026 for values from (0) to (10);
       create table parent_rest partition of parent default;
       create index on parent (day desc, id) where id > 0;
       create index on parent_rest using brin (day);
       create table child (tenant_id uuid, id int unique, day date, foreign key (tenant_id, id, day) references parent);
       create function nothing() returns trigger language plpgsql as 'begin return new; end';
       create trigger child_trigger before insert on child for each row execute function nothing();
       create trigger parent_trigger after insert on parent for each row execute function nothing()`,
    );
    const tier = tierOf(
      ...['parent', 'child'].map((name): AnyTable => ({ name, primaryKey: [], columns: {} })),
    );
    const before = await definitionsOf(database.url, schema);
    await bareTables(database.owner, schema, tier);
    expect(await left(schema, ['parent', 'child'])).toEqual([]);
    await buildIndexes(database.owner, schema, tier, { signal: never });
    expect(await definitionsOf(database.url, schema)).toEqual(before);
  });

  it('are refused where rows are', async () => {
    const schema = await database.newSchema(oltpTier);
    await queryAsSuperuser(
      database.url,
      `insert into ${schema}.tenants values (gen_random_uuid(), 1, 'Acme', 'UTC', now(), 1)`,
    );
    const before = await definitionsOf(database.url, schema);
    await expect(bareTables(database.owner, schema, oltpTier)).rejects.toThrow(/tenants holds rows already/);
    expect(await definitionsOf(database.url, schema)).toEqual(before);
  });

  it('may be asked for again and by two at once', async () => {
    const schema = await database.newSchema(oltpTier);
    const before = await definitionsOf(database.url, schema);
    await Promise.all([1, 2].map(() => bareTables(database.owner, schema, oltpTier)));
    await bareTables(database.owner, schema, oltpTier);
    await buildIndexes(database.owner, schema, oltpTier, { signal: never });
    await bareTables(database.owner, schema, oltpTier);
    expect(await definitionsOf(database.url, schema)).toEqual(before);
  });
});

describe('the building of indexes', () => {
  it('goes on after an end between any two steps, and does nothing twice', async () => {
    const schema = await database.newSchema(oltpTier);
    const before = await definitionsOf(database.url, schema);
    await bareTables(database.owner, schema, oltpTier);
    let ends = 0;
    for (let isComplete = false; !isComplete; ends++) {
      const end = new AbortController();
      let steps = 0;
      const allowed = ends;
      const pace = async () => {
        if (steps++ > allowed) end.abort(new Error('ended here'));
      };
      isComplete = await buildIndexes(database.owner, schema, oltpTier, {
        signal: end.signal,
        pace,
        connections: 1,
      }).then(
        () => true,
        (error: Error) => {
          expect(error.message).toBe('ended here');
          return false;
        },
      );
    }
    expect(ends).toBeGreaterThan(10);
    expect(await definitionsOf(database.url, schema)).toEqual(before);
    const made = () =>
      queryAsSuperuser(database.url, `select name, made_at from ${schema}.deferred_definitions`);
    const first = await made();
    await buildIndexes(database.owner, schema, oltpTier, { signal: never });
    expect(await made()).toEqual(first);
  });

  it('ends a build that runs when it is aborted', async () => {
    const schema = await database.newSchema(oltpTier);
    await queryAsSuperuser(
      database.ownerUrl,
      `set search_path = ${schema}; create table slow (id int);
       create function slowly(int) returns int immutable language plpgsql as 'begin perform pg_sleep(60); return $1; end';
       create index on slow (${schema}.slowly(id))`,
    );
    const tier = tierOf({ name: 'slow', primaryKey: [], columns: {} });
    await bareTables(database.owner, schema, tier);
    await queryAsSuperuser(database.ownerUrl, `insert into ${schema}.slow values (1)`);
    const end = new AbortController();
    setTimeout(() => end.abort(new Error('enough')), 200);
    await expect(buildIndexes(database.owner, schema, tier, { signal: end.signal })).rejects.toThrow(
      'enough',
    );
  });

  it('names two rows of one key', async () => {
    const schema = await database.newSchema(oltpTier);
    await bareTables(database.owner, schema, oltpTier);
    await queryAsSuperuser(
      database.url,
      `insert into ${schema}.tenants select '11111111-1111-4111-8111-111111111111', 1, 'Acme', 'UTC', now(), n from generate_series(1, 2) n`,
    );
    await expect(buildIndexes(database.owner, schema, oltpTier, { signal: never })).rejects.toMatchObject({
      code: '23505',
      detail: expect.stringContaining('11111111') as string,
    });
  });
});
