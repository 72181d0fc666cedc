import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Pool } from 'pg';
import type { EventStore } from '../shared/event-store/event-store';
import type { GenerationProjectors, ProjectedTarget } from './generation-projectors';
import type { LedgerKeeper } from './ledger-keeper';
import type { Upkeep } from './upkeep';

/** Progress of one generation. A process that lives but does not move is not healthy (reliability.md I13). */
interface GenerationHealth {
  readonly tier: string;
  readonly generation: number;
  /** Lowest checkpoint of its lanes; null before the first commit, or where a target cannot be reached. */
  readonly position: string | null;
  /** Seconds behind the log since it was last seen at its end; 0 when there. */
  readonly lagSeconds: number;
  readonly parkedSequences: number;
  /** Of its first target that has stopped. */
  readonly stoppedBy: string | null;
  readonly targets: readonly TargetHealth[];
}

interface TargetHealth {
  readonly shard: number;
  readonly databaseRef: string;
  readonly schema: string;
  readonly position: string | null;
  readonly parkedSequences: number;
  /** Rows that belong to no history partition: to be looked at, since they have an impossible date. */
  readonly strayHistoryRows: number;
  readonly stoppedBy: string | null;
  /** Why its database cannot be asked; null when it can. */
  readonly unreachable: string | null;
}

interface LedgerHealth {
  readonly position: string | null;
  readonly lagSeconds: number;
  readonly stoppedBy: string | null;
}

export interface HealthOptions {
  readonly projectors: GenerationProjectors;
  readonly upkeep: Upkeep;
  /** By the name of the variable that holds its URL. */
  readonly poolOf: (databaseRef: string) => Pool;
  readonly ledger: LedgerKeeper;
  readonly controlPool: Pool;
  readonly store: EventStore;
}

const stuckAfterSeconds = 30;

export class Health {
  /** When each reader of the log was last known to be at its end. */
  private readonly currentAt = new Map<string, number>();

  constructor(private readonly options: HealthOptions) {}

  /** 200 while the ledger and every generation move with the log, 503 when one has stopped or fallen behind for too long. */
  async report(): Promise<{
    status: 200 | 503;
    body: { generations: GenerationHealth[]; ledger: LedgerHealth; head: string | null };
  }> {
    const { projectors, store } = this.options;
    const head = await store.head();
    const targets = await Promise.all(
      projectors.targets().map(async (target) => ({ target, health: await this.targetHealth(target) })),
    );
    const names = new Set(targets.map(({ target }) => `${target.tier} ${target.generation}`));
    const generations = [...names].map((name) => {
      const its = targets.filter(({ target }) => `${target.tier} ${target.generation}` === name);
      return this.generationHealth(name, its, head);
    });
    const ledger = await this.ledgerHealth(head);
    const isStuck =
      [...generations, ledger].some(
        ({ stoppedBy, lagSeconds }) => stoppedBy !== null || lagSeconds > stuckAfterSeconds,
      ) || targets.some(({ health }) => health.unreachable !== null);
    return { status: isStuck ? 503 : 200, body: { generations, ledger, head: head?.toString() ?? null } };
  }

  private generationHealth(
    name: string,
    its: readonly { readonly target: ProjectedTarget; readonly health: TargetHealth }[],
    head: bigint | null,
  ): GenerationHealth {
    const targets = its.map(({ health }) => health);
    const positions = targets.map(({ position }) => (position === null ? null : BigInt(position)));
    const position = positions.reduce((low, next) =>
      low === null || next === null ? null : next < low ? next : low,
    );
    const { tier = '', generation = 0 } = its[0]?.target ?? {};
    return {
      ...{ tier, generation, targets },
      position: position?.toString() ?? null,
      lagSeconds: this.lagOf(name, head, position?.toString() ?? null),
      parkedSequences: targets.reduce((sum, { parkedSequences }) => sum + parkedSequences, 0),
      stoppedBy: targets.find(({ stoppedBy }) => stoppedBy !== null)?.stoppedBy ?? null,
    };
  }

  private async targetHealth(target: ProjectedTarget): Promise<TargetHealth> {
    const { shard, databaseRef, schema, stoppedBy } = target;
    const strayHistoryRows = this.options.upkeep.strayRowsOf(target);
    const known = { shard, databaseRef, schema, stoppedBy, strayHistoryRows };
    try {
      const progress = await progressOf(this.options.poolOf(databaseRef), schema);
      return { ...known, ...progress, unreachable: null };
    } catch (error) {
      const unreachable = error instanceof Error ? error.message : String(error);
      return { ...known, position: null, parkedSequences: 0, unreachable };
    }
  }

  private async ledgerHealth(head: bigint | null): Promise<LedgerHealth> {
    const { controlPool, ledger } = this.options;
    const { rows } = await controlPool.query<{ position: string | null }>(
      'select commit_position::text as position from log_ledger_checkpoint',
    );
    const position = rows[0]?.position ?? null;
    return { position, lagSeconds: this.lagOf('ledger', head, position), stoppedBy: ledger.stoppedBy };
  }

  private lagOf(name: string, head: bigint | null, position: string | null): number {
    const isCurrent = head === null || (position !== null && BigInt(position) >= head);
    const now = performance.now();
    if (isCurrent || !this.currentAt.has(name)) this.currentAt.set(name, now);
    return isCurrent ? 0 : Math.round(now - (this.currentAt.get(name) ?? now)) / 1_000;
  }
}

async function progressOf(
  pool: Pool,
  schema: string,
): Promise<{ position: string | null; parkedSequences: number }> {
  const { rows } = await pool.query<{ position: string | null; parked: number }>(
    `select case when count(commit_position) = count(*) then min(commit_position)::text end as position,
            coalesce(sum(parked_sequences), 0)::int as parked
     from ${schema}.checkpoints`,
  );
  return { position: rows[0]?.position ?? null, parkedSequences: rows[0]?.parked ?? 0 };
}

/** Serves GET /healthz; resolves to the port once it listens. */
export async function serveHealth(
  health: Health,
  host: string,
  port: number,
): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    if (request.url !== '/healthz') return void response.writeHead(404).end();
    health.report().then(
      ({ status, body }) =>
        void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      () => void response.writeHead(503).end(),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return { server, port: (server.address() as AddressInfo).port };
}
