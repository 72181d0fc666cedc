import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { ProjectionTier } from '../../projections/tier';
import { dropExpired } from '../shared/generations/expired';
import { listGenerations, type DatabaseUrls } from '../shared/generations/generations';
import type { Target } from '../shared/generations/placement';
import { extendHistory, hasHistory, strayHistoryRows } from '../shared/partitions/history-partitions';
import type { Logger } from '../shared/process/log';

export interface UpkeepOptions {
  readonly tiers: readonly ProjectionTier[];
  readonly controlPool: Pool;
  readonly urls: DatabaseUrls;
  /** By the name of the variable that holds its URL; role mailfold_projector. */
  readonly poolOf: (databaseRef: string) => Pool;
  readonly log: Logger;
}

const intervalMs = 3_600_000;

/**
 * What time asks for, at the start and every hour: history partitions for the months to come, and for rows that came before
 * theirs; the end of copies as of a time. Every process does it, since each part finds what another has done already.
 */
export class Upkeep {
  private readonly stop = new AbortController();
  private readonly strays = new Map<string, number>();
  private working: Promise<void> = Promise.resolve();

  constructor(private readonly options: UpkeepOptions) {}

  start(): void {
    this.working = this.work();
  }

  /** Lets what is under way finish. */
  async close(): Promise<void> {
    this.stop.abort();
    await this.working;
  }

  /** Rows of a target that lie in no partition of their own, as last seen: days that nobody can have meant. */
  strayRowsOf(target: Target): number {
    return this.strays.get(nameOf(target)) ?? 0;
  }

  private async work(): Promise<void> {
    const { signal } = this.stop;
    while (!signal.aborted) {
      await this.round().catch((error: unknown) =>
        this.options.log.warn({ err: error }, 'upkeep was interrupted; it is done again in an hour'),
      );
      await delay(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  private async round(): Promise<void> {
    const { tiers, controlPool, urls, log } = this.options;
    const partitioned = new Set(tiers.filter(hasHistory).map(({ tier }) => tier));
    for (const { tier, state, targets } of await listGenerations(controlPool)) {
      if (state !== 'tailing' || !partitioned.has(tier)) continue;
      for (const target of targets) if (!this.stop.signal.aborted) await this.extend(target);
    }
    const dropped = await dropExpired(controlPool, urls, {
      onTrouble: (error) => log.warn({ err: error }, 'an expired copy could not be dropped'),
    });
    for (const about of dropped) log.info(about, 'dropped, its time as a temporary copy is over');
  }

  private async extend(target: Target): Promise<void> {
    const { poolOf, log } = this.options;
    const { tier, generation, databaseRef, schema } = target;
    const about = { tier, generation, schema };
    try {
      const pool = poolOf(databaseRef);
      const made = await extendHistory(pool, schema);
      if (made.length > 0) log.info({ ...about, partitions: made }, 'history partitions made');
      const strays = await strayHistoryRows(pool, schema);
      this.strays.set(nameOf(target), strays);
      if (strays > 0) log.error({ ...about, rows: strays }, 'rows belong to no history partition');
    } catch (error) {
      log.warn({ ...about, err: error }, 'history partitions could not be looked after');
    }
  }
}

function nameOf({ tier, generation, shard }: Target): string {
  return `${tier} ${generation} ${shard}`;
}
