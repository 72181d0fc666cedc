import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Tier } from '../../projections/projection';
import type { Logger } from '../shared/process/log';

export interface ProjectorRosterOptions {
  readonly controlPool: Pool;
  readonly owner: string;
  /** What this process projects. */
  readonly tiers: readonly Tier[];
  readonly log: Logger;
  /** Databases of tiers that this process does not reach now, by the name of the variable. */
  readonly unreachable: () => readonly string[];
  /** Told when others have come or gone. */
  readonly onChange: () => void;
}

const heartbeatIntervalMs = 500;
/** Less than a lease, so that the lanes of a process that has died are shared out when their leases run out. */
const missingAfterMs = 2_000;
const forgottenAfterMs = 60_000;

interface Member {
  readonly owner: string;
  readonly tiers: readonly string[];
  readonly unreachable: readonly string[];
}

/** Which projector processes are alive, this one included. While the control database is away the last answer stands. */
export class ProjectorRoster {
  private readonly stop = new AbortController();
  private members: readonly Member[];
  private beating: Promise<void> = Promise.resolve();

  constructor(private readonly options: ProjectorRosterOptions) {
    const { owner, tiers } = options;
    this.members = [{ owner, tiers, unreachable: [] }];
  }

  /** Resolves after the first look, so that a process that joins takes no more than its share. */
  async start(): Promise<void> {
    await this.tryRefresh();
    this.beating = this.beat();
  }

  /** Tells the others at once, so that they take over. */
  async close(): Promise<void> {
    this.stop.abort();
    await this.beating;
    const { controlPool, owner } = this.options;
    await controlPool.query('delete from projectors where owner = $1', [owner]).catch(() => undefined);
  }

  /**
   * Those who project a tier and reach a database of it, in the order in which they came. Where nobody reaches it, all of
   * them: whoever is the first to reach it again has a share.
   */
  of(tier: Tier, databaseRef: string): readonly string[] {
    const ofTier = this.members.filter(({ tiers }) => tiers.includes(tier));
    const reaching = ofTier.filter(({ unreachable }) => !unreachable.includes(databaseRef));
    return (reaching.length === 0 ? ofTier : reaching).map(({ owner }) => owner);
  }

  /** Looks who is there. */
  async refresh(): Promise<void> {
    const { controlPool, owner, tiers, unreachable, onChange } = this.options;
    if (this.stop.signal.aborted) return;
    await controlPool.query(
      `insert into projectors (owner, tiers, unreachable) values ($1, $2, $3)
       on conflict (owner) do update
       set seen_at = now(), tiers = excluded.tiers, unreachable = excluded.unreachable`,
      [owner, tiers, unreachable()],
    );
    const { rows } = await controlPool.query<Member>(
      `select owner, tiers, unreachable from projectors where seen_at > now() - $1 * interval '1 millisecond'
       order by joined_at, owner`,
      [missingAfterMs],
    );
    const isChanged = JSON.stringify(rows) !== JSON.stringify(this.members);
    this.members = rows;
    if (isChanged) onChange();
  }

  private async beat(): Promise<void> {
    const { signal } = this.stop;
    await this.options.controlPool
      .query(`delete from projectors where seen_at < now() - $1 * interval '1 millisecond'`, [
        forgottenAfterMs,
      ])
      .catch(() => undefined);
    while (!signal.aborted) {
      await delay(heartbeatIntervalMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.tryRefresh();
    }
  }

  private async tryRefresh(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      this.options.log.warn(
        { err: error, database: 'control' },
        'the roster cannot be read; the last one stands',
      );
    }
  }
}
