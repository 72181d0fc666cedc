import { streamName } from '../../../../domain/stream-name';
import type { ProjectionTier } from '../../../../projections/tier';
import { projectionTier } from '../../../../projections/tiers';
import type { EventStore } from '../../../shared/event-store/event-store';
import { holds } from '../../../shared/generations/coverage';
import { partsOf, readPlacement, type Target } from '../../../shared/generations/placement';
import { createMailParser, replayParseTimeoutMs, type MailParser } from '../../../shared/mail/mail-parser';
import { foldEvent } from '../../../shared/projecting/fold-event';
import type { RefoldedTable } from '../../../shared/projecting/refolded-tables';
import { refoldSequence, type RequeueOutcome } from '../../../shared/projecting/requeue';
import { refoldedConversation, type ConversationName, type RunSpec } from '../run-spec';
import { RunRefused } from '../run-states';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import type { FillWork } from './follow-log';

const eventsPerUpdate = 100;

/** What a refold in place did to one target. */
export interface RefoldedTarget {
  readonly tier: string;
  readonly databaseRef: string;
  readonly schema: string;
  /** Parked events of the conversation that are applied now. */
  readonly parkedApplied: number;
  readonly tables: readonly RefoldedTable[];
}

/**
 * Refuses, before there is a run, a conversation that the log does not know, and a tier that holds nothing of one. Throws
 * {@link RunRefused}.
 */
export async function refuseUnknownConversation(workplace: Workplace, spec: RunSpec): Promise<void> {
  const conversation = refoldedConversation(spec);
  if (conversation === null) return;
  for (const tier of tiersOf(spec)) await slotsOf(workplace.store(), tier, conversation, null);
}

/**
 * The rows that a conversation has a part in, folded again from the log in every target that serves some of them, each in
 * one transaction. Interrupted between two targets it is repeated. Throws when an event of it cannot be applied: then its
 * target is as it was.
 */
export async function refoldConversation(
  workplace: Workplace,
  { run, spec }: Run,
  { pace, attendance, signal }: FillWork,
): Promise<RefoldedTarget[]> {
  const conversation = refoldedConversation(spec);
  if (conversation === null) throw new Error(`Run ${run} refolds no conversation`);
  const refolded: RefoldedTarget[] = [];
  for (const tier of tiersOf(spec)) {
    const parser = tier.withContent
      ? createMailParser({ threads: 1, timeoutMs: replayParseTimeoutMs })
      : null;
    try {
      const targets = await servingTargets(workplace, tier, conversation, run);
      for (const [done, target] of targets.entries()) {
        await pace.wait();
        const tell = (events: number): void =>
          attendance.tell({
            ...{ phase: `refold ${tier.tier}`, done, total: targets.length, what: 'targets', events },
          });
        tell(0);
        refolded.push(await refoldIn(workplace, { tier, parser, target, conversation, tell, signal }));
      }
    } finally {
      await parser?.close();
    }
  }
  await pace.wait();
  return refolded;
}

async function refoldIn(
  workplace: Workplace,
  work: {
    readonly tier: ProjectionTier;
    readonly parser: MailParser | null;
    readonly target: Target;
    readonly conversation: ConversationName;
    readonly tell: (events: number) => void;
    readonly signal: AbortSignal;
  },
): Promise<RefoldedTarget> {
  const { tier, parser, target, conversation, tell, signal } = work;
  const { databaseRef, schema } = target;
  let events = 0;
  const outcome = await refoldSequence({
    ...{ store: workplace.store(), tier, parser, schema, signal },
    ...{ tenantId: conversation.tenantId, sequenceId: conversation.conversationId },
    pool: workplace.pool(databaseRef, 'mailfold_projector'),
    onEvent: () => {
      if (++events % eventsPerUpdate === 0) tell(events);
    },
  });
  if (outcome.outcome !== 'requeued') throw new Error(stillPoison(target, outcome));
  return { tier: tier.tier, databaseRef, schema, parkedApplied: outcome.events, tables: outcome.tables };
}

function stillPoison({ schema }: Target, outcome: Exclude<RequeueOutcome, { outcome: 'requeued' }>): string {
  const what =
    outcome.outcome === 'still-poison'
      ? `${outcome.event === null ? 'an event' : `${outcome.event.type} ${outcome.event.id}`} cannot be applied: ${outcome.reason}`
      : 'nothing of it was found';
  return `${schema} is as it was: ${what}`;
}

/** What a run that is done has refolded; null for a run of another kind. */
export async function refoldedBy(runs: Runs, { run, spec, state }: Run): Promise<RefoldedTarget[] | null> {
  if (refoldedConversation(spec) === null || state !== 'done') return null;
  const finished = (await runs.journal(run)).find(({ action }) => action === 'finish');
  return (finished?.detail['refolded'] as RefoldedTarget[] | undefined) ?? null;
}

/** Of all that serve the tenant, those that hold a slot the conversation changes. */
async function servingTargets(
  workplace: Workplace,
  tier: ProjectionTier,
  conversation: ConversationName,
  run: number,
): Promise<Target[]> {
  const slots = await slotsOf(workplace.store(), tier, conversation, run);
  const parts = partsOf(await readPlacement(workplace.control, tier.tier), conversation.tenantId);
  const serving = parts.filter(({ slots: its }) => [...slots].some((slot) => holds(its, slot)));
  return [...new Set(serving.map(({ target }) => target))];
}

/** Slots whose rows the conversation's own events change. Throws {@link RunRefused} where there are none. */
async function slotsOf(
  store: EventStore,
  tier: ProjectionTier,
  { tenantId, conversationId }: ConversationName,
  run: number | null,
): Promise<ReadonlySet<number>> {
  const stream = streamName('conversation', tenantId, conversationId);
  const records = await store.readStreamRecords(stream);
  const name = `conversation ${conversationId} of tenant ${tenantId}`;
  if (records.length === 0) throw new RunRefused(`the log knows no ${name}`, run);
  const slots = new Set<number>();
  for (const record of records)
    for (const { slot } of foldEvent(tier, await store.open(record))?.operations ?? []) slots.add(slot);
  if (slots.size === 0)
    throw new RunRefused(
      `${tier.tier} has no row that ${name} has a part in; --tenant alone rebuilds all of the tenant's`,
      run,
    );
  return slots;
}

function tiersOf({ tiers }: RunSpec): ProjectionTier[] {
  return tiers.map((name) => {
    const tier = projectionTier(name);
    if (tier === undefined) throw new Error(`${name} is no tier`);
    return tier;
  });
}
