import { DatabaseError, type Pool, type PoolClient } from 'pg';
import { z } from 'zod';
import { assertSafe } from '../../shared/postgres/self-check';
import type { Logger } from '../../shared/process/log';
import { LanePositions, noPosition, type Checkpoint } from './lane-positions';
import { ListenConnection } from './listen-connection';
import type { ReadTier } from './read-tier';

/** The payload of `mailfold_<tier>`; unlisted tenants mean that any may have changed. */
const commitNotice = z.object({
  schema: z.string(),
  lane: z.number().int(),
  position: z
    .string()
    .regex(/^\d{1,20}$/)
    .or(z.number().int().nonnegative()),
  tenants: z.array(z.string()).nullish(),
  rewrites: z.number().int().nonnegative().default(0),
});

/** Its payload is the schema whose lanes have come, gone, or write something else. */
const lanesChannel = 'mailfold_lanes';

/** A schema that was dropped between the look at the placement and the read. */
export const tableGone: ReadonlySet<string> = new Set(['42P01', '3F000']);

export interface TierDatabaseOptions {
  /** Name of the variable its URL is configured by. */
  readonly databaseRef: string;
  readonly tier: ReadTier;
  /** Connections of role mailfold_reader. */
  readonly pool: Pool;
  /** As `pool`, with one connection. */
  readonly listenPool: Pool;
  /** Something was heard or seen of a lane. */
  readonly onNews: () => void;
  readonly log: Logger;
}

/** One of the databases a tier lies in: its connections, and how far the targets in it have come. */
export class TierDatabase {
  readonly databaseRef: string;
  readonly pool: Pool;
  private readonly lanes = new Map<string, LanePositions>();
  private readonly checked = new Set<string>();
  private watched: ReadonlySet<string> = new Set();
  private readonly connection: ListenConnection;

  constructor(private readonly options: TierDatabaseOptions) {
    this.databaseRef = options.databaseRef;
    this.pool = options.pool;
    const catchUp = (client: PoolClient, reason: 'connected' | 'heartbeat') => this.catchUp(client, reason);
    const notified = (payload: string, channel: string) =>
      channel === lanesChannel ? this.lanesChanged(payload) : this.notified(payload);
    const { listenPool, tier, log } = options;
    this.connection = new ListenConnection(
      listenPool,
      [`mailfold_${tier}`, lanesChannel],
      { catchUp, notified },
      log,
    );
  }

  start(): void {
    this.connection.start();
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  get listening(): boolean {
    return this.connection.up;
  }

  /** From now on what is told of these schemas is taken in, and of no others. */
  watch(schemas: ReadonlySet<string>): void {
    const isNew = [...schemas].some((schema) => !this.watched.has(schema));
    for (const schema of [...this.lanes.keys()])
      if (!schemas.has(schema)) {
        this.lanes.delete(schema);
        this.checked.delete(schema);
      }
    this.watched = schemas;
    if (isNew) this.connection.catchUpSoon();
  }

  lanesOf(schema: string): LanePositions {
    const known = this.lanes.get(schema) ?? new LanePositions();
    this.lanes.set(schema, known);
    return known;
  }

  /** Whether {@link prepare} has nothing to do. */
  isReady(schema: string): boolean {
    return this.checked.has(schema) && this.lanes.get(schema)?.isKnown === true;
  }

  /** Done before the first read of a schema. Throws UnsafeDatabase for one that would show a tenant the rows of another. */
  async prepare(schema: string): Promise<void> {
    if (!this.checked.has(schema)) await assertSafe(this.pool, [schema]);
    this.checked.add(schema);
    if (!this.lanesOf(schema).isKnown) await this.look(schema);
  }

  /** Takes in the checkpoints of a schema as they are now, without trusting that no notice was lost. */
  async look(schema: string): Promise<CheckpointRow[]> {
    const rows = await readCheckpoints(this.pool, schema);
    this.lanesOf(schema).look(rows.map(checkpointOf));
    return rows;
  }

  private async catchUp(client: PoolClient, reason: 'connected' | 'heartbeat'): Promise<void> {
    if (reason === 'connected') this.lanes.clear();
    for (const schema of this.watched) {
      try {
        this.lanesOf(schema).audit((await readCheckpoints(client, schema)).map(checkpointOf));
      } catch (error) {
        if (!(error instanceof DatabaseError && tableGone.has(error.code ?? ''))) throw error;
      }
    }
    this.options.onNews();
  }

  private lanesChanged(schema: string): void {
    if (!this.watched.has(schema)) return;
    this.lanesOf(schema).forget();
    this.connection.catchUpSoon();
    this.options.onNews();
  }

  private notified(payload: string): void {
    const { tier, log, onNews } = this.options;
    const notice = commitNotice.safeParse(parsed(payload));
    if (!notice.success) {
      // It may have told of any tenant; the heartbeat finds out.
      log.warn({ tier, reason: 'unreadable notice' }, 'a notification was not understood');
      return;
    }
    const { schema, lane, position, tenants, rewrites } = notice.data;
    if (!this.watched.has(schema)) return;
    const isKnown = this.lanesOf(schema).notice({
      lane,
      position: BigInt(position),
      tenants: tenants ?? null,
      rewrites,
    });
    if (!isKnown) this.connection.catchUpSoon();
    onNews();
  }
}

export interface CheckpointRow {
  readonly lane: number;
  readonly position: string | null;
  readonly events: string;
  readonly updatedAt: string;
  readonly slotFrom: number;
  readonly slotTo: number;
  readonly onlyTenant: string | null;
  readonly exceptTenants: string[];
  readonly rewrites: number;
}

async function readCheckpoints(db: Pool | PoolClient, schema: string): Promise<CheckpointRow[]> {
  const { rows } = await db.query<CheckpointRow>({
    name: `${schema}.checkpoints`,
    text: `select lane, commit_position as position, events, slot_from as "slotFrom", slot_to as "slotTo",
                  only_tenant as "onlyTenant", except_tenants as "exceptTenants", rewrites::float8,
                  to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "updatedAt"
           from ${schema}.checkpoints order by lane`,
  });
  return rows;
}

function checkpointOf(row: CheckpointRow): Checkpoint {
  const { lane, position, slotFrom, slotTo, onlyTenant, exceptTenants, rewrites } = row;
  return {
    lane,
    coverage: { slots: { from: slotFrom, to: slotTo }, tenantId: onlyTenant, except: exceptTenants },
    position: position === null ? noPosition : BigInt(position),
    rewrites,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
