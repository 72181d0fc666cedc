import { Pool, type ClientBase } from 'pg';
import type { Tier } from '../../../projections/projection';
import { migrate } from '../postgres/migrate';
import { inTransaction } from '../postgres/transaction';
import { allSlots, divided, wholeTier, type Coverage } from './coverage';
import { readPlacement, SwitchRefused, type Target } from './placement';

export type GenerationState = 'building' | 'tailing' | 'frozen' | 'retired';
export type GenerationKind = 'first' | 'rebuild' | 'repartition' | 'as-of';

/** A copy of a tier, or of a part of it, filled by the code of one version: one target per shard. */
export interface Generation {
  readonly tier: Tier;
  readonly generation: number;
  readonly state: GenerationState;
  readonly kind: GenerationKind;
  readonly codeVersion: string;
  readonly createdAt: string;
  /** Of a frozen one: the last position it knows. */
  readonly asOfPosition: bigint | null;
  readonly expiresAt: string | null;
  /** The run that made it. */
  readonly run: number | null;
  /** In the order of their shards. */
  readonly targets: readonly Target[];
  /** Whether a pointer names it: queries read it, be it for one slot only. */
  readonly isLive: boolean;
}

/** A part of a generation to be made. */
export interface TargetToMake {
  /** Name of the variable that holds the URL of its database. */
  readonly databaseRef: string;
  readonly coverage: Pick<Coverage, 'slots' | 'tenantId'> & Partial<Coverage>;
  /** How many lanes share its slots; default 1. */
  readonly lanes?: number;
}

export interface GenerationToMake {
  /** Which build fills it; compared when a rebuild is resumed. */
  readonly codeVersion: string;
  readonly kind: GenerationKind;
  readonly targets: readonly TargetToMake[];
  /** Of an as-of generation: the last position it is to know. */
  readonly asOfPosition?: bigint;
  /** When it may be dropped without a question. */
  readonly expiresAt?: Date;
  /** The run it belongs to, so that the run finds it again after a kill. */
  readonly run?: number;
}

/** URLs of tier databases by the name of their variable. */
export type DatabaseUrls = ReadonlyMap<string, string>;

/** The variable a tier's first database is configured by; more of them have names that go on with `_` (tierDatabaseUrls). */
export function databaseRefOf(tier: Tier): string {
  return `${tier.toUpperCase()}_DATABASE_URL`;
}

/** `g5`, or `g5s2` for shard 2 of a generation that has several targets. */
function schemaOf(generation: number, shard: number, targets: number): string {
  return targets === 1 ? `g${generation}` : `g${generation}s${shard}`;
}

/**
 * Gives a tier its first generation where it has none: schema, lanes, pointer. Safe to call at every start and by several
 * processes at once; a schema that is there already is brought up to date. `controlPool` and `tierUrl` log in as owners.
 */
export async function ensureFirstGeneration(
  controlPool: Pool,
  tierUrl: string,
  tier: Tier,
  { codeVersion, lanes }: { readonly codeVersion: string; readonly lanes?: number } = { codeVersion: '0' },
): Promise<void> {
  const { rowCount } = await controlPool.query('select 1 from pointers where tier = $1', [tier]);
  if (rowCount !== 0) return;
  const target = {
    databaseRef: databaseRefOf(tier),
    coverage: wholeTier,
    ...(lanes === undefined ? {} : { lanes }),
  };
  await createSchema(tierUrl, tier, schemaOf(1, 0, 1), target);
  await inTransaction(controlPool, async (client) => {
    await register(client, tier, 1, { state: 'tailing', kind: 'first', codeVersion, targets: [target] });
    await client.query(
      `insert into pointers (tier, slot_from, slot_to, generation) values ($1, $2, $3, 1) on conflict do nothing`,
      [tier, allSlots.from, allSlots.to],
    );
  });
}

/**
 * Makes the next generation of a tier, empty and in state `building`: projectors leave it alone until
 * {@link startTailing}. Two callers at once get two generations. Throws when a target's database has no URL.
 */
export async function createGeneration(
  controlPool: Pool,
  urls: DatabaseUrls,
  tier: Tier,
  toMake: GenerationToMake,
): Promise<Generation> {
  const { targets } = toMake;
  for (const { databaseRef } of targets) urlNamed(urls, databaseRef);
  const generation = await inTransaction(controlPool, async (client) => {
    await client.query('lock table generations in share row exclusive mode');
    const { rows } = await client.query<{ next: number }>(
      'select coalesce(max(generation), 0)::int + 1 as next from generations where tier = $1',
      [tier],
    );
    const next = rows[0]?.next ?? 1;
    await register(client, tier, next, { state: 'building', ...toMake });
    return next;
  });
  await completeGeneration(urls, tier, generation, targets);
  return generationNamed(controlPool, tier, generation);
}

/** Makes what is missing of a generation's schemas and lanes, as after a kill in {@link createGeneration}. Repeatable. */
export async function completeGeneration(
  urls: DatabaseUrls,
  tier: Tier,
  generation: number,
  targets: readonly TargetToMake[],
): Promise<void> {
  for (const [shard, target] of targets.entries())
    await createSchema(
      urlNamed(urls, target.databaseRef),
      tier,
      schemaOf(generation, shard, targets.length),
      target,
    );
}

/** Throws with the name of the variable that is missing. */
export function urlNamed(urls: DatabaseUrls, databaseRef: string): string {
  const url = urls.get(databaseRef);
  if (url === undefined) throw new Error(`${databaseRef} is not set, and rows lie there`);
  return url;
}

/** Every generation of a tier, oldest first; of all tiers without one. */
export async function listGenerations(control: Pool | ClientBase, tier?: Tier): Promise<Generation[]> {
  const { rows } = await control.query<Omit<Generation, 'asOfPosition'> & { asOfPosition: string | null }>(
    `select g.tier, g.generation, g.state, g.kind, g.code_version as "codeVersion", g.created_at::text as "createdAt",
            g.as_of_position::text as "asOfPosition", g.expires_at::text as "expiresAt", g.run,
            json_agg(json_build_object('tier', t.tier, 'generation', t.generation, 'shard', t.shard,
              'databaseRef', t.database_ref, 'schema', t.schema_name,
              'slots', json_build_object('from', t.slot_from, 'to', t.slot_to), 'tenantId', t.tenant_id,
              'except', t.except_tenants)
              order by t.shard) as targets,
            exists (select from pointers p where p.tier = g.tier and p.generation = g.generation)
              or exists (select from tenant_pointers p where p.tier = g.tier and p.generation = g.generation) as "isLive"
     from generations g join generation_targets t on t.tier = g.tier and t.generation = g.generation
     where $1::text is null or g.tier = $1 group by g.tier, g.generation order by g.tier, g.generation`,
    [tier ?? null],
  );
  return rows.map((row) => ({
    ...row,
    asOfPosition: row.asOfPosition === null ? null : BigInt(row.asOfPosition),
  }));
}

/** The target of a generation that has one. Throws for one of several shards. */
export function soleTargetOf({ tier, generation, targets }: Generation): Target {
  const [first, ...others] = targets;
  if (first === undefined || others.length > 0)
    throw new Error(`Generation ${generation} of ${tier} has ${targets.length} targets`);
  return first;
}

export async function generationNamed(
  controlPool: Pool,
  tier: Tier,
  generation: number,
): Promise<Generation> {
  const found = (await listGenerations(controlPool, tier)).find((known) => known.generation === generation);
  if (found === undefined) throw new Error(`Tier ${tier} has no generation ${generation}`);
  return found;
}

/** The one generation that serves all slots. Throws when the tier has none yet, or several share the slots. */
export async function soleLiveGeneration(controlPool: Pool, tier: Tier): Promise<Generation> {
  const { pointers } = await readPlacement(controlPool, tier);
  const [first, ...others] = new Set(pointers.map(({ generation }) => generation));
  if (first === undefined) throw new Error(`Tier ${tier} has no generation that serves`);
  if (others.length > 0) throw new Error(`Tier ${tier} is served by several generations`);
  return generationNamed(controlPool, tier, first);
}

/** From now on projectors keep the generation at the end of the log, whether it serves or not. */
export async function startTailing(controlPool: Pool, tier: Tier, generation: number): Promise<void> {
  const { rowCount } = await controlPool.query(
    `update generations set state = 'tailing' where tier = $1 and generation = $2 and state <> 'retired'`,
    [tier, generation],
  );
  if (rowCount !== 1) throw new Error(`Generation ${generation} of ${tier} is retired or unknown`);
}

/** From now on the generation stays as it is: a copy as of a time. Repeatable. */
export async function freezeGeneration(controlPool: Pool, tier: Tier, generation: number): Promise<void> {
  const { rowCount } = await controlPool.query(
    `update generations set state = 'frozen'
     where tier = $1 and generation = $2 and kind = 'as-of' and state in ('building', 'frozen')`,
    [tier, generation],
  );
  if (rowCount !== 1) throw new Error(`Generation ${generation} of ${tier} is none as of a time`);
}

/** Ends a generation that does not serve: projectors let go of it, then its schemas are dropped. Repeatable. */
export async function retireGeneration(
  controlPool: Pool,
  urls: DatabaseUrls,
  tier: Tier,
  generation: number,
): Promise<void> {
  const { rowCount } = await controlPool.query(
    `update generations g set state = 'retired', retired_at = coalesce(retired_at, now())
     where tier = $1 and generation = $2
       and not exists (select from pointers p where p.tier = g.tier and p.generation = g.generation)
       and not exists (select from tenant_pointers p where p.tier = g.tier and p.generation = g.generation)`,
    [tier, generation],
  );
  if (rowCount !== 1) throw new SwitchRefused(`generation ${generation} of ${tier} serves, or is unknown`);
  const { targets } = await generationNamed(controlPool, tier, generation);
  await dropSchemas(urls, targets);
}

/** Of targets that nobody reads or writes any more. Repeatable. */
export async function dropSchemas(urls: DatabaseUrls, targets: readonly Target[]): Promise<void> {
  for (const { databaseRef, schema } of targets)
    await withOwner(urlNamed(urls, databaseRef), (pool) =>
      pool.query(`drop schema if exists ${schema} cascade`),
    );
}

async function register(
  client: ClientBase,
  tier: Tier,
  generation: number,
  {
    state,
    kind,
    codeVersion,
    targets,
    asOfPosition,
    expiresAt,
    run,
  }: GenerationToMake & { state: GenerationState },
): Promise<void> {
  await client.query(
    `insert into generations (tier, generation, state, kind, code_version, as_of_position, expires_at, run)
     values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
    [
      ...[tier, generation, state, kind, codeVersion],
      ...[asOfPosition?.toString() ?? null, expiresAt ?? null, run ?? null],
    ],
  );
  for (const [shard, { databaseRef, coverage }] of targets.entries())
    await client.query(
      `insert into generation_targets
         (tier, generation, shard, database_ref, schema_name, slot_from, slot_to, tenant_id, except_tenants)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing`,
      [
        ...[tier, generation, shard, databaseRef, schemaOf(generation, shard, targets.length)],
        ...[coverage.slots.from, coverage.slots.to, coverage.tenantId, coverage.except ?? []],
      ],
    );
}

/** The lanes divide the target's slots among them without a gap. */
async function createSchema(
  url: string,
  tier: Tier,
  schema: string,
  { coverage, lanes }: Pick<TargetToMake, 'coverage' | 'lanes'>,
): Promise<void> {
  await migrate(url, tier, { schema });
  const ranges = divided(coverage.slots, lanes ?? 1);
  await withOwner(url, (pool) =>
    pool.query(
      `insert into ${schema}.checkpoints (lane, slot_from, slot_to, only_tenant, except_tenants)
       select n - 1, f, t, $3, $4 from unnest($1::smallint[], $2::smallint[]) with ordinality as lanes (f, t, n)
       on conflict (lane) do nothing`,
      [
        ...[ranges.map(({ from }) => from), ranges.map(({ to }) => to)],
        ...[coverage.tenantId, coverage.except ?? []],
      ],
    ),
  );
}

async function withOwner(url: string, work: (pool: Pool) => Promise<unknown>): Promise<void> {
  const pool = new Pool({ connectionString: url, max: 1, application_name: 'mailfold-generations' });
  try {
    await work(pool);
  } finally {
    await pool.end();
  }
}
