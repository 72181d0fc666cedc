import type { Pool, PoolClient } from 'pg';
import type { Logger } from '../../shared/process/log';
import { ListenConnection } from './listen-connection';
import { readTiers, TierUnavailable, type ReadTier } from './read-tier';

/** What the pointer of a tier names: the copy of the tier that serves (architecture.md §6). */
export interface LiveGeneration {
  readonly tier: ReadTier;
  readonly generation: number;
  readonly schema: string;
  /** Grows with every switch. */
  readonly epoch: number;
}

const pollAgeMaxMs = 1_000;
const plainIdentifier = /^[a-z_][a-z0-9_]{0,62}$/;

const selectPointers = {
  name: 'live-generations',
  text: `select p.tier, p.generation, p.epoch, t.schema_name as "schemaName", t.database_ref as "databaseRef"
         from pointers p join generation_targets t on t.tier = p.tier and t.generation = p.generation
         order by p.tier, p.slot_from, t.shard`,
};

interface PointerRow {
  readonly tier: string;
  readonly generation: number;
  readonly epoch: string;
  readonly schemaName: string;
  readonly databaseRef: string;
}

/**
 * Which generation of each tier serves, told by LISTEN within milliseconds of a switch. When the control database is away
 * the last known answer stands: the generation before a switch goes on tailing until it is retired.
 */
export class LiveGenerations {
  private known = new Map<ReadTier, LiveGeneration>();
  private readAt = Number.NEGATIVE_INFINITY;
  private reading: Promise<void> | null = null;
  private readonly connection: ListenConnection;

  constructor(
    private readonly pool: Pool,
    listenPool: Pool,
    private readonly log: Logger,
  ) {
    this.connection = new ListenConnection(
      listenPool,
      'mailfold_control',
      {
        catchUp: (client) => this.read(client),
        // Read anew rather than taken from the payload, so that the order of messages cannot matter.
        notified: () => void this.refresh().catch(() => undefined),
      },
      log,
    );
  }

  start(): void {
    this.connection.start();
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  /** Throws {@link TierUnavailable} while the pointer was never read, or there is none. */
  async of(tier: ReadTier): Promise<LiveGeneration> {
    if (!this.connection.up && performance.now() - this.readAt > pollAgeMaxMs) {
      await this.refresh().catch((error: unknown) => {
        if (!this.known.has(tier)) throw error;
      });
    }
    const live = this.known.get(tier);
    if (live === undefined) throw new TierUnavailable(tier, 'no generation of it serves yet');
    return live;
  }

  /** One read at a time, begun after the call: an older one may not know what the caller heard of. */
  async refresh(): Promise<void> {
    while (this.reading !== null) await this.reading.catch(() => undefined);
    this.reading = this.read(this.pool).finally(() => (this.reading = null));
    return this.reading;
  }

  private async read(db: Pool | PoolClient): Promise<void> {
    const { rows } = await db.query<PointerRow>(selectPointers);
    this.readAt = performance.now();
    const known = new Map<ReadTier, LiveGeneration>();
    for (const tier of readTiers) {
      const [row, ...others] = rows.filter((candidate) => candidate.tier === tier);
      if (row === undefined) continue;
      // Several shards, or one that lies in a database this process has no URL of.
      const isElsewhere = row.databaseRef !== `${tier.toUpperCase()}_DATABASE_URL`;
      if (others.length > 0 || isElsewhere || !plainIdentifier.test(row.schemaName)) {
        this.log.error({ tier, generation: row.generation }, 'a generation this version cannot read');
        continue;
      }
      known.set(tier, {
        tier,
        generation: row.generation,
        schema: row.schemaName,
        epoch: Number(row.epoch),
      });
    }
    this.known = known;
  }
}
