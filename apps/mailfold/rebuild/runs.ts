import type { ClientBase, Pool } from 'pg';
import type { Tier } from '../../../projections/projection';
import { inTransaction } from '../../shared/postgres/transaction';
import type { Estimate } from '../../shared/rebuilding/estimate/estimate';
import type { TierLayout } from './layout';
import type { PhaseSeconds } from './phase-clock';
import { described, runSpec, type RunSpec } from './run-spec';
import { refuseIllegal, RunRefused, type RunState, type Step } from './run-states';

/** What a run will make, as it was reckoned when it was planned. */
export interface RunPlan {
  readonly tiers: readonly ({ readonly tier: Tier } & TierLayout)[];
  /** How many lanes share the slots of each target. */
  readonly lanes: number;
  /** The log is read, or the rows that serve are copied. */
  readonly source: 'replay' | 'copy';
  /** The dry run; null where none was made: for a run without a plan, for copies, and for an empty log. */
  readonly estimate: Estimate | null;
}

/** What the working process tells of itself, at most once a second. */
export interface RunProgress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  /** The unit of `done`: events, buckets, indexes or positions. */
  readonly what: string;
  readonly events: number;
  readonly perSecond: number;
  /** Of the phase. Null while nobody can say. */
  readonly secondsLeft: number | null;
  /** Of all phases but the tail, by the estimate of the plan. Null where there is none, and while nobody can say. */
  readonly secondsLeftInAll: number | null;
  /** What each phase has taken so far, over all processes that have worked on it, without pauses. */
  readonly took: PhaseSeconds;
  /** Present while the governor or the throttle slows the run down. */
  readonly slowed?: string;
}

export interface Run {
  readonly run: number;
  readonly state: RunState;
  readonly spec: RunSpec;
  readonly plan: RunPlan;
  readonly codeVersion: string;
  readonly fence: bigint | null;
  readonly wish: 'run' | 'pause';
  readonly eventsPerSecondMax: number | null;
  readonly progress: RunProgress | null;
  /** By tier: the certificate of the last verify. */
  readonly certificates: Readonly<Record<string, unknown>>;
  readonly failure: string | null;
  readonly owner: string | null;
  readonly heartbeatAt: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface JournalEntry {
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

type RunRow = Omit<Run, 'spec' | 'fence'> & { readonly spec: unknown; readonly fence: string | null };

const columns = `run, state, spec, plan, code_version as "codeVersion", fence::text, wish,
  events_per_second_max as "eventsPerSecondMax", progress, certificates, failure, owner,
  heartbeat_at::text as "heartbeatAt", created_at::text as "createdAt", updated_at::text as "updatedAt"`;

/** The rows of `rebuild_runs`: every change of state is a step of run-states.ts, checked under a row lock, and in the journal. */
export class Runs {
  constructor(
    private readonly control: Pool,
    /** Who acts, for the journal. */
    private readonly actor: string,
  ) {}

  async create(spec: RunSpec, plan: RunPlan, codeVersion: string): Promise<Run> {
    return inTransaction(this.control, async (client) => {
      const { rows } = await client.query<RunRow>(
        `insert into rebuild_runs (kind, tiers, spec, plan, code_version) values ($1, $2, $3, $4, $5) returning ${columns}`,
        [spec.kind, spec.tiers, spec, plan, codeVersion],
      );
      const run = runOf(rows[0]);
      await this.write(client, run.run, 'plan', { what: described(spec) });
      return run;
    });
  }

  /** Throws {@link RunRefused} for a number that is no run. */
  async read(run: number): Promise<Run> {
    const { rows } = await this.control.query<RunRow>(`select ${columns} from rebuild_runs where run = $1`, [
      run,
    ]);
    if (rows[0] === undefined) throw new RunRefused(`there is no run ${run}`, null, ['status']);
    return runOf(rows[0]);
  }

  /** Latest first. */
  async list(limit: number): Promise<Run[]> {
    const { rows } = await this.control.query<RunRow>(
      `select ${columns} from rebuild_runs order by run desc limit $1`,
      [limit],
    );
    return rows.map(runOf);
  }

  /** The latest run with this very task that was begun and neither serves, nor is done or discarded. */
  async openWith(spec: RunSpec): Promise<Run | null> {
    const { rows } = await this.control.query<RunRow>(
      `select ${columns} from rebuild_runs
       where spec = $1 and state in ('running', 'paused', 'stopped', 'loaded', 'verified', 'refuted', 'partial')
       order by run desc limit 1`,
      [spec],
    );
    return rows[0] === undefined ? null : runOf(rows[0]);
  }

  /** Of a rolling rebuild: the runs of its ranges that are not discarded, by the number of the range. */
  async partsOf(run: number): Promise<ReadonlyMap<number, Run>> {
    const { rows } = await this.control.query<RunRow>(
      `select ${columns} from rebuild_runs
       where spec -> 'partOf' -> 'run' = to_jsonb($1::int) and state <> 'discarded' order by run`,
      [run],
    );
    return new Map(
      rows.map(runOf).flatMap((part) => {
        const { spec } = part;
        return spec.kind === 'rebuild' && spec.partOf !== undefined ? [[spec.partOf.range, part]] : [];
      }),
    );
  }

  /**
   * Takes a step: refuses it when the state forbids it, else writes the new state and `fields`, with a line in the journal.
   * Throws {@link RunRefused}.
   */
  async step(
    run: number,
    step: Step,
    to: RunState,
    fields: Partial<Pick<Run, 'failure' | 'owner' | 'wish' | 'certificates'>> = {},
    detail: object = {},
  ): Promise<Run> {
    return inTransaction(this.control, async (client) => {
      const { rows: found } = await client.query<{ state: RunState }>(
        'select state from rebuild_runs where run = $1 for update',
        [run],
      );
      const state = found[0]?.state;
      if (state === undefined) throw new RunRefused(`there is no run ${run}`, null, ['status']);
      refuseIllegal(step, run, state);
      const { rows } = await client.query<RunRow>(
        `update rebuild_runs set state = $2, failure = $3, owner = coalesce($4, owner), wish = coalesce($5, wish),
           certificates = certificates || coalesce($6::jsonb, '{}'), updated_at = now()
         where run = $1 returning ${columns}`,
        [
          ...[run, to, fields.failure ?? null, fields.owner ?? null, fields.wish ?? null],
          fields.certificates ?? null,
        ],
      );
      await this.write(client, run, step, { from: state, to, ...detail });
      return runOf(rows[0]);
    });
  }

  /** Tells that the owner lives and how far it is; resolves to what operators want of it. */
  async attend(
    run: number,
    progress: RunProgress | null,
  ): Promise<Pick<Run, 'state' | 'wish' | 'eventsPerSecondMax'>> {
    const { rows } = await this.control.query<Pick<Run, 'state' | 'wish' | 'eventsPerSecondMax'>>(
      `update rebuild_runs set heartbeat_at = now(), progress = coalesce($2, progress) where run = $1
       returning state, wish, events_per_second_max as "eventsPerSecondMax"`,
      [run, progress],
    );
    if (rows[0] === undefined) throw new RunRefused(`there is no run ${run}`, null);
    return rows[0];
  }

  async wish(run: number, wish: Run['wish']): Promise<Run> {
    return this.set(run, 'wish = $2', wish, { wish });
  }

  /** `null` takes the bound away. */
  async throttle(run: number, eventsPerSecondMax: number | null): Promise<Run> {
    return this.set(run, 'events_per_second_max = $2', eventsPerSecondMax, { eventsPerSecondMax });
  }

  async setFence(run: number, fence: bigint): Promise<Run> {
    return this.set(run, 'fence = $2', fence.toString(), { fence: fence.toString() });
  }

  async journal(run: number): Promise<JournalEntry[]> {
    const { rows } = await this.control.query<JournalEntry>(
      'select at::text, actor, action, detail from rebuild_run_journal where run = $1 order by at',
      [run],
    );
    return rows;
  }

  private async set(run: number, assignment: string, value: unknown, detail: object): Promise<Run> {
    return inTransaction(this.control, async (client) => {
      const { rows } = await client.query<RunRow>(
        `update rebuild_runs set ${assignment}, updated_at = now() where run = $1 returning ${columns}`,
        [run, value],
      );
      if (rows[0] === undefined) throw new RunRefused(`there is no run ${run}`, null, ['status']);
      await this.write(client, run, Object.keys(detail)[0] ?? 'set', detail);
      return runOf(rows[0]);
    });
  }

  private async write(client: ClientBase, run: number, action: string, detail: object): Promise<void> {
    await client.query(
      'insert into rebuild_run_journal (run, actor, action, detail) values ($1, $2, $3, $4)',
      [run, this.actor, action, detail],
    );
  }
}

function runOf(row: RunRow | undefined): Run {
  if (row === undefined) throw new Error('A statement on rebuild_runs returned no row');
  return {
    ...row,
    spec: runSpec.parse(row.spec),
    fence: row.fence === null ? null : BigInt(row.fence),
  };
}
