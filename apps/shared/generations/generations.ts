import { Pool, type ClientBase } from 'pg';
import type { Tier } from '../../../projections/projection';
import { slotCount } from '../../../domain/slot';
import { migrate } from '../postgres/migrate';
import { inTransaction } from '../postgres/transaction';

export type GenerationState = 'building' | 'tailing' | 'retired';

/** One copy of a tier: a schema of its own, filled by the code of one version. */
export interface Generation {
  readonly tier: Tier;
  readonly generation: number;
  readonly state: GenerationState;
  readonly codeVersion: string;
  readonly createdAt: string;
  readonly schema: string;
  /** Name of the variable that holds the URL of its database. */
  readonly databaseRef: string;
  /** Whether the pointer names it: queries read this one. */
  readonly isLive: boolean;
}

/** The pointer of a tier, read before a switch and compared by it. */
export interface Pointer {
  readonly generation: number;
  readonly previousGeneration: number | null;
  readonly epoch: number;
}

/** Somebody else has switched since the pointer was read, or the generation may not serve. */
export class SwitchRefused extends Error {
  override readonly name = 'SwitchRefused';
}

export interface GenerationOptions {
  /** Which build fills it; compared when a rebuild is resumed. */
  readonly codeVersion: string;
  /** How many lanes share the slots; default 1. */
  readonly lanes?: number;
}

/** The variable each tier's database is configured by. */
export function databaseRefOf(tier: Tier): string {
  return `${tier.toUpperCase()}_DATABASE_URL`;
}

export function schemaOf(generation: number): string {
  return `g${generation}`;
}

/**
 * Gives a tier its first generation where it has none: schema, lanes, pointer. Safe to call at every start and by several
 * processes at once; a schema that is there already is brought up to date. `controlPool` and `tierUrl` log in as owners.
 */
export async function ensureFirstGeneration(
  controlPool: Pool,
  tierUrl: string,
  tier: Tier,
  { codeVersion, lanes }: GenerationOptions = { codeVersion: '0' },
): Promise<void> {
  const { rowCount } = await controlPool.query('select 1 from pointers where tier = $1', [tier]);
  if (rowCount !== 0) return;
  await createSchema(tierUrl, tier, schemaOf(1), lanes ?? 1);
  await inTransaction(controlPool, async (client) => {
    await register(client, tier, 1, { state: 'tailing', codeVersion });
    await client.query(
      `insert into shard_maps (tier, version, slot_from, slot_to, shard) values ($1, 1, 0, $2, 0)
       on conflict do nothing`,
      [tier, slotCount - 1],
    );
    await client.query(
      `insert into pointers (tier, slot_from, slot_to, generation) values ($1, 0, $2, 1) on conflict do nothing`,
      [tier, slotCount - 1],
    );
  });
}

/**
 * Makes the next generation of a tier, empty and in state `building`: projectors leave it alone until
 * {@link startTailing}. Two callers at once get two generations.
 */
export async function createGeneration(
  controlPool: Pool,
  tierUrl: string,
  tier: Tier,
  { codeVersion, lanes }: GenerationOptions,
): Promise<Generation> {
  const generation = await inTransaction(controlPool, async (client) => {
    await client.query('lock table generations in share row exclusive mode');
    const { rows } = await client.query<{ next: number }>(
      'select coalesce(max(generation), 0)::int + 1 as next from generations where tier = $1',
      [tier],
    );
    const next = rows[0]?.next ?? 1;
    await register(client, tier, next, { state: 'building', codeVersion });
    return next;
  });
  await createSchema(tierUrl, tier, schemaOf(generation), lanes ?? 1);
  return generationNamed(controlPool, tier, generation);
}

/** Every generation of a tier, oldest first; of all tiers without one. */
export async function listGenerations(controlPool: Pool, tier?: Tier): Promise<Generation[]> {
  const { rows } = await controlPool.query<Generation>(
    `select g.tier, g.generation, g.state, g.code_version as "codeVersion", g.created_at::text as "createdAt",
            t.schema_name as schema, t.database_ref as "databaseRef",
            exists (select from pointers p where p.tier = g.tier and p.generation = g.generation) as "isLive"
     from generations g join generation_targets t on t.tier = g.tier and t.generation = g.generation
     where $1::text is null or g.tier = $1 order by g.tier, g.generation`,
    [tier ?? null],
  );
  return rows;
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

/** The generation that serves, and the epoch a switch must name. Throws when the tier has none yet. */
export async function liveGeneration(
  controlPool: Pool,
  tier: Tier,
): Promise<Generation & { readonly pointer: Pointer }> {
  const { rows } = await controlPool.query<Pointer>(
    `select generation, previous_generation as "previousGeneration", epoch::int from pointers
     where tier = $1 order by slot_from limit 1`,
    [tier],
  );
  const [pointer] = rows;
  if (pointer === undefined) throw new Error(`Tier ${tier} has no generation that serves`);
  return { ...(await generationNamed(controlPool, tier, pointer.generation)), pointer };
}

/** From now on projectors keep the generation at the end of the log, whether it serves or not. */
export async function startTailing(controlPool: Pool, tier: Tier, generation: number): Promise<void> {
  const { rowCount } = await controlPool.query(
    `update generations set state = 'tailing' where tier = $1 and generation = $2 and state <> 'retired'`,
    [tier, generation],
  );
  if (rowCount !== 1) throw new Error(`Generation ${generation} of ${tier} is retired or unknown`);
}

/**
 * Lets queries read `to` instead of the generation `from` names: a compare-and-swap, told to all readers by NOTIFY. The
 * same call with the two exchanged is the rollback. That `to` has come as far as the one it replaces is the caller's proof.
 * Throws {@link SwitchRefused} when the pointer has moved since, or `to` is not tailing.
 */
export async function switchPointer(
  controlPool: Pool,
  tier: Tier,
  { from, to }: { from: Pick<Pointer, 'generation' | 'epoch'>; to: number },
): Promise<Pointer> {
  const { rows } = await controlPool.query<Pointer>(
    `update pointers p set generation = $4, previous_generation = $2, epoch = epoch + 1, switched_at = now()
     where tier = $1 and generation = $2 and epoch = $3
       and exists (select from generations g where g.tier = $1 and g.generation = $4 and g.state = 'tailing')
     returning generation, previous_generation as "previousGeneration", epoch::int`,
    [tier, from.generation, from.epoch, to],
  );
  const [pointer] = rows;
  if (pointer) return pointer;
  throw new SwitchRefused(
    `tier ${tier} was not switched to generation ${to}: it is not tailing, or the pointer is no longer at generation ${from.generation}, epoch ${from.epoch}`,
  );
}

/** Ends a generation that does not serve: projectors let go of it, then its schema is dropped. Repeatable. */
export async function retireGeneration(
  controlPool: Pool,
  tierUrl: string,
  tier: Tier,
  generation: number,
): Promise<void> {
  const { rowCount } = await controlPool.query(
    `update generations g set state = 'retired', retired_at = coalesce(retired_at, now())
     where tier = $1 and generation = $2
       and not exists (select from pointers p where p.tier = g.tier and p.generation = g.generation)`,
    [tier, generation],
  );
  if (rowCount !== 1) throw new SwitchRefused(`generation ${generation} of ${tier} serves, or is unknown`);
  await withOwner(tierUrl, (pool) => pool.query(`drop schema if exists ${schemaOf(generation)} cascade`));
}

async function register(
  client: ClientBase,
  tier: Tier,
  generation: number,
  { state, codeVersion }: { state: GenerationState; codeVersion: string },
): Promise<void> {
  await client.query(
    `insert into generations (tier, generation, state, code_version) values ($1, $2, $3, $4) on conflict do nothing`,
    [tier, generation, state, codeVersion],
  );
  await client.query(
    `insert into generation_targets (tier, generation, shard, database_ref, schema_name)
     values ($1, $2, 0, $3, $4) on conflict do nothing`,
    [tier, generation, databaseRefOf(tier), schemaOf(generation)],
  );
}

/** The lanes divide all slots among them without a gap. */
async function createSchema(tierUrl: string, tier: Tier, schema: string, lanes: number): Promise<void> {
  await migrate(tierUrl, tier, { schema });
  await withOwner(tierUrl, (pool) =>
    pool.query(
      `insert into ${schema}.checkpoints (lane, slot_from, slot_to)
       select n, n * $2::int / $1, (n + 1) * $2::int / $1 - 1 from generate_series(0, $1::int - 1) n
       on conflict (lane) do nothing`,
      [lanes, slotCount],
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
