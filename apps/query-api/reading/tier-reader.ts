import { setTimeout as delay } from 'node:timers/promises';
import type { Pool, PoolClient, QueryResultRow } from 'pg';
import { z } from 'zod';
import { assertSafe } from '../../shared/postgres/self-check';
import { withTenant } from '../../shared/postgres/transaction';
import type { Logger } from '../../shared/process/log';
import { LanePositions, noPosition, type Checkpoint } from './lane-positions';
import { ListenConnection } from './listen-connection';
import type { LiveGeneration, LiveGenerations } from './live-generations';
import { PositionNotReached, type ReadTier } from './read-tier';

const pollIntervalMs = 25;

/** The payload of `mailfold_<tier>`; unlisted tenants mean that any may have changed. */
const commitNotice = z.object({
  schema: z.string(),
  lane: z.number().int(),
  position: z
    .string()
    .regex(/^\d{1,20}$/)
    .or(z.number().int().nonnegative()),
  tenants: z.array(z.string()).nullish(),
});

/** A generation chosen for the whole of one request, and how far a read of it is certain to see. */
export interface Pin {
  readonly live: LiveGeneration;
  /** Null while the tier has not been asked yet. */
  readonly position: bigint | null;
  /** Null when answers must not come from the cache: nobody listens, or not everything is heard yet. */
  readonly cache: { readonly version: string; readonly position: bigint } | null;
}

/**
 * Reads the rows of one tenant in one generation. A statement is prepared once per connection under its name; without
 * one it is planned anew for its values.
 */
export interface TenantRows {
  readonly tenantId: string;
  /** Schema of the pinned generation, to qualify tables with. */
  readonly schema: string;
  readonly query: <Row extends QueryResultRow>(
    name: string | null,
    text: string,
    values: readonly unknown[],
  ) => Promise<Row[]>;
}

/** One tier as this process reads it: its pool, the generation that serves, and how far that has come. */
export class TierReader {
  private readonly schemas = new Map<string, LanePositions>();
  private readonly checked = new Set<string>();
  private readonly waiting = new Set<() => void>();
  private polling = false;
  private readonly connection: ListenConnection;

  constructor(
    readonly tier: ReadTier,
    private readonly pool: Pool,
    listenPool: Pool,
    private readonly pointers: LiveGenerations,
    private readonly log: Logger,
  ) {
    const catchUp = (client: PoolClient, reason: 'connected' | 'heartbeat') => this.catchUp(client, reason);
    const notified = (payload: string) => this.notified(payload);
    this.connection = new ListenConnection(listenPool, `mailfold_${tier}`, { catchUp, notified }, log);
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

  /**
   * The generation that serves, once it has reached `after`. Throws {@link PositionNotReached} when it has not within
   * `timeoutMs`. A position is one of the log, so it means the same in every generation (rebuild.md §4g).
   */
  async pin(tenantId: string, after: bigint | null, timeoutMs: number): Promise<Pin> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const live = await this.pointers.of(this.tier);
      if (!this.checked.has(live.schema)) await this.check(live);
      const lanes = this.lanesOf(live.schema);
      if (lanes.position === null) await this.look(live);
      const { position } = lanes;
      if (after === null || (position !== null && position >= after)) {
        const cache = this.connection.up ? lanes.versionOf(tenantId) : null;
        return { live, position, cache: cache && cache.position >= (after ?? noPosition) ? cache : null };
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new PositionNotReached(this.tier, after);
      await this.change(leftMs);
    }
  }

  /** Runs `work` in one transaction that sees the tenant's rows only. */
  async read<T>(pin: Pin, tenantId: string, work: (rows: TenantRows) => Promise<T>): Promise<T> {
    const { schema } = pin.live;
    return withTenant(
      this.pool,
      tenantId,
      (client) =>
        work({
          tenantId,
          schema,
          query: async <Row extends QueryResultRow>(
            name: string | null,
            text: string,
            values: readonly unknown[],
          ) => {
            const prepared = name === null ? {} : { name: `${schema}.${name}` };
            return (await client.query<Row>({ ...prepared, text, values: [...values] })).rows;
          },
        }),
      // One snapshot for all statements of an answer.
      { readOnly: true, isolation: 'repeatable read' },
    );
  }

  /** Called after a read failed for want of a table: the generation was retired just after it had been pinned. */
  async forgetPointer(): Promise<void> {
    await this.pointers.refresh();
  }

  /** Checkpoints of the generation that serves, as the database has them now. */
  async checkpoints(): Promise<{ live: LiveGeneration; rows: CheckpointRow[] }> {
    const live = await this.pointers.of(this.tier);
    return { live, rows: await readCheckpoints(this.pool, live) };
  }

  /** Refuses a generation whose tables would show a tenant the rows of another (reliability.md B2). */
  async check(live: LiveGeneration): Promise<void> {
    await assertSafe(this.pool, [live.schema]);
    this.checked.add(live.schema);
  }

  private lanesOf(schema: string): LanePositions {
    const known = this.schemas.get(schema) ?? new LanePositions();
    this.schemas.set(schema, known);
    return known;
  }

  private async catchUp(client: PoolClient, reason: 'connected' | 'heartbeat'): Promise<void> {
    if (reason === 'connected') this.schemas.clear();
    const live = await this.pointers.of(this.tier).catch(() => null);
    if (live === null) return;
    this.lanesOf(live.schema).audit(positionsOf(await readCheckpoints(client, live)));
    this.wake();
  }

  private notified(payload: string): void {
    const notice = commitNotice.safeParse(parsed(payload));
    if (!notice.success) {
      // It may have told of any tenant; the heartbeat finds out.
      this.log.warn({ tier: this.tier, reason: 'unreadable notice' }, 'a notification was not understood');
      return;
    }
    const { schema, lane, position, tenants } = notice.data;
    this.lanesOf(schema).notice({ lane, position: BigInt(position), tenants: tenants ?? null });
    this.wake();
  }

  private async look(live: LiveGeneration): Promise<void> {
    this.lanesOf(live.schema).look(positionsOf(await readCheckpoints(this.pool, live)));
  }

  /** Resolves when something became known, or after `timeoutMs`. */
  private async change(timeoutMs: number): Promise<void> {
    const stop = new AbortController();
    const woken = new Promise<void>((resolve) => {
      const wake = (): void => resolve(void this.waiting.delete(wake));
      this.waiting.add(wake);
      stop.signal.addEventListener('abort', wake, { once: true });
    });
    const timer = setTimeout(() => stop.abort(), timeoutMs);
    if (!this.polling) void this.poll();
    await woken;
    clearTimeout(timer);
  }

  /** One for all who wait, and only while somebody does: notices come sooner, but may be lost. */
  private async poll(): Promise<void> {
    this.polling = true;
    while (this.waiting.size > 0) {
      await delay(pollIntervalMs);
      try {
        await this.look(await this.pointers.of(this.tier));
      } catch (error) {
        this.log.debug({ err: error, tier: this.tier }, 'could not look for a position');
      }
      this.wake();
    }
    this.polling = false;
  }

  private wake(): void {
    for (const wake of [...this.waiting]) wake();
  }
}

export interface CheckpointRow {
  readonly lane: number;
  readonly position: string | null;
  readonly events: string;
  readonly updatedAt: string;
}

async function readCheckpoints(db: Pool | PoolClient, { schema }: LiveGeneration): Promise<CheckpointRow[]> {
  const { rows } = await db.query<CheckpointRow>({
    name: `${schema}.checkpoints`,
    text: `select lane, commit_position as position, events,
                  to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "updatedAt"
           from ${schema}.checkpoints order by lane`,
  });
  return rows;
}

function positionsOf(rows: readonly CheckpointRow[]): Checkpoint[] {
  return rows.map(({ lane, position }) => ({
    lane,
    position: position === null ? noPosition : BigInt(position),
  }));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
