import type { Pool } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import { tierDatabaseUrls } from '../../shared/config/tier-databases';
import { listGenerations, urlNamed } from '../../shared/generations/generations';
import type { Target } from '../../shared/generations/placement';
import { createMailParser, replayParseTimeoutMs } from '../../shared/mail/mail-parser';
import { requeue, type RequeueOutcome } from '../../shared/projecting/requeue';
import { CommandFailure, exitCodes, type CommandContext } from '../command-run';
import { controlUrl, openLog, openPool, tierNamed } from '../connections';
import { plural } from '../output';
import { createProgress } from '../progress';

export interface RequeueOptions {
  readonly tenant?: string;
  readonly sequence?: string;
  readonly all?: boolean;
}

const eventsPerUpdate = 100;

interface ParkedSequence {
  readonly tenantId: string;
  readonly sequenceId: string;
}

interface Requeued extends ParkedSequence {
  readonly generation: number;
  readonly schema: string;
  readonly outcome: RequeueOutcome;
}

/**
 * `mailfold requeue`: applies what is parked in every generation of a tier that is kept up to date, now that the build can.
 * 0 when nothing of what was asked for is parked any more, 1 when something still cannot be applied; that stays parked.
 */
export async function requeueCommand(
  tierName: string,
  options: RequeueOptions,
  context: CommandContext,
): Promise<number> {
  const tier = tierNamed(tierName);
  const wanted = wantedBy(options);
  const targets = await targetsKept(tier, context);
  const pools = poolsFor(context);
  const store = openLog(context);
  const parser = tier.withContent ? createMailParser({ threads: 1, timeoutMs: replayParseTimeoutMs }) : null;
  if (parser) context.onEnd(() => parser.close());
  const done: Requeued[] = [];
  const parked: { readonly target: Target; readonly sequence: ParkedSequence }[] = [];
  for (const target of targets)
    for (const sequence of await parkedIn(pools(target.databaseRef, 'mailfold_auditor'), target.schema))
      if (wanted(sequence)) parked.push({ target, sequence });
  const progress = createProgress(`requeue ${tier.tier}`, 'events');
  let events = 0;
  const update = (): void => progress.update({ done: done.length, total: parked.length, count: events });
  try {
    for (const { target, sequence } of parked) {
      context.signal.throwIfAborted();
      const { generation, schema, databaseRef } = target;
      const outcome = await requeue({
        ...{ store, tier, parser, schema, ...sequence, signal: context.signal },
        pool: pools(databaseRef, 'mailfold_projector'),
        onEvent: () => {
          events += 1;
          if (events % eventsPerUpdate === 0) update();
        },
      });
      done.push({ ...sequence, generation, schema, outcome });
      update();
    }
  } finally {
    progress.stop();
    for (const requeued of done) tell(context, requeued);
  }
  const stays = done.filter(({ outcome }) => outcome.outcome === 'still-poison');
  const remaining = new Set(stays.map(({ tenantId, sequenceId }) => `${tenantId} ${sequenceId}`)).size;
  context.output.record({
    tier: tier.tier,
    remaining,
    sequences: done.map(({ outcome, ...rest }) => ({ ...rest, ...plain(outcome) })),
  });
  if (done.length === 0) context.output.line(`Nothing of that is parked in ${tier.tier}.`);
  return remaining === 0 ? exitCodes.done : exitCodes.failed;
}

function wantedBy({ tenant, sequence, all }: RequeueOptions): (parked: ParkedSequence) => boolean {
  if (all !== true && tenant === undefined && sequence === undefined)
    throw new CommandFailure('say which: --tenant, --sequence, or --all', exitCodes.usage);
  return ({ tenantId, sequenceId }) =>
    (tenant === undefined || tenant.toLowerCase() === tenantId) &&
    (sequence === undefined || sequence.toLowerCase() === sequenceId);
}

async function targetsKept({ tier }: ProjectionTier, context: CommandContext): Promise<Target[]> {
  const known = await listGenerations(openPool(context, controlUrl()), tier);
  return known.flatMap(({ state, targets }) => (state === 'tailing' ? [...targets] : []));
}

function poolsFor(
  context: CommandContext,
): (databaseRef: string, role: 'mailfold_auditor' | 'mailfold_projector') => Pool {
  const urls = tierDatabaseUrls();
  const pools = new Map<string, Pool>();
  return (databaseRef, role) => {
    const name = `${databaseRef} ${role}`;
    const pool = pools.get(name) ?? openPool(context, urlNamed(urls, databaseRef), role);
    pools.set(name, pool);
    return pool;
  };
}

/** Oldest first. */
async function parkedIn(auditor: Pool, schema: string): Promise<ParkedSequence[]> {
  const { rows } = await auditor.query<ParkedSequence>(
    `select tenant_id as "tenantId", sequence_id as "sequenceId" from ${schema}.stopped_sequences
     group by tenant_id, sequence_id order by min(position)`,
  );
  return rows;
}

function tell({ output }: CommandContext, { tenantId, sequenceId, schema, outcome }: Requeued): void {
  const name = `${schema}: sequence ${sequenceId} of tenant ${tenantId}`;
  if (outcome.outcome === 'requeued')
    output.line(`${name} goes on; ${plural(outcome.events, 'parked event')} applied.`);
  else if (outcome.outcome === 'still-poison')
    output.error(
      `${name} stays parked: ${outcome.event === null ? '' : `${outcome.event.type} ${outcome.event.id}: `}${outcome.reason}`,
    );
}

function plain(outcome: RequeueOutcome): object {
  if (outcome.outcome !== 'still-poison' || outcome.event === null) return outcome;
  const { id, type, position } = outcome.event;
  return { ...outcome, event: { id, type, position: position.toString() } };
}
