import { setTimeout as delay } from 'node:timers/promises';
import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { Command, Decider } from '../../../domain/decider';
import type { EventMetadata, Recorded } from '../../../domain/event';
import { eventId } from '../ids/uuid-v5';
import {
  OutcomeUnknown,
  RevisionConflict,
  type EventStore,
  type EventToAppend,
  type ExpectedRevision,
} from './event-store';

/** How often a command is decided again because another writer was faster. */
const attemptsMax = 8;

export interface CommandRequest<State, C extends Command, E extends MailfoldEvent> {
  readonly store: EventStore;
  readonly decider: Decider<State, C, E>;
  readonly streamName: string;
  readonly command: C;
  /** sha256 of the request that carried an Idempotency-Key. */
  readonly requestHash?: string | undefined;
  /** From If-Match: the stream must be exactly there, and a lost race is the client's to see, not ours to repeat. */
  readonly expectedRevision?: ExpectedRevision | undefined;
  /** What this command answers, where it is not its own beginning. */
  readonly causationId?: string | undefined;
  readonly correlationId?: string | undefined;
}

export interface CommandOutcome<E extends MailfoldEvent> {
  /** The new events; on a repeat, the ones this command made the first time; none where it changed nothing. */
  readonly events: readonly E[];
  /** Where this command left the stream, also on a repeat: the answer to a retry is that of the first try. */
  readonly revision: ExpectedRevision;
  /** Of the stream's last event as this command left it: a reader that has reached it shows the effect of this command. `null` for no stream. */
  readonly position: bigint | null;
  readonly repeated: boolean;
}

/** The same Idempotency-Key came with another request (422). */
export class IdempotencyMismatch extends Error {
  constructor(readonly commandId: string) {
    super('this Idempotency-Key was used for another request');
    this.name = 'IdempotencyMismatch';
  }
}

/**
 * Load, decide, append; decides again on a fresh read when another writer won the race. A command whose id is already in
 * the stream is answered from there: an Idempotency-Key holds for as long as the log does, over restarts too (I3).
 *
 * @throws DomainError for a refusal; RevisionConflict when `expectedRevision` does not hold; IdempotencyMismatch;
 *   OutcomeUnknown or EventStoreUnavailable when the log cannot be reached.
 */
export async function handleCommand<State, C extends Command, E extends MailfoldEvent>(
  request: CommandRequest<State, C, E>,
): Promise<CommandOutcome<E>> {
  const { store, decider, streamName, command } = request;
  for (let attempt = 1; ; attempt++) {
    const { events: history, revision } = await store.readStream(streamName);
    const earlier = earlierOutcome(request, history);
    if (earlier) return earlier;
    if (request.expectedRevision !== undefined && request.expectedRevision !== revision) {
      throw new RevisionConflict(streamName, request.expectedRevision, revision);
    }
    const state = history.reduce(
      (folded, event) => decider.evolve(folded, event as unknown as E),
      decider.initialState,
    );
    const decided = decider.decide(command, state);
    if (decided.length === 0)
      return { events: [], revision, position: history.at(-1)?.position ?? null, repeated: false };
    try {
      const appended = await store.append(streamName, revision, toAppend(decided, request));
      return { events: decided, revision: appended.revision, position: appended.position, repeated: false };
    } catch (error) {
      // Whether it was written is what the stream itself says; the same ids have been tried to the end by now.
      if (error instanceof OutcomeUnknown) return await outcomeAfter(error, request);
      if (
        !(error instanceof RevisionConflict) ||
        request.expectedRevision !== undefined ||
        attempt === attemptsMax
      )
        throw error;
      await delay(Math.random() * 5 * attempt);
    }
  }
}

/** What this command has done to the stream, if it is there. @throws the unknown outcome itself when it is not. */
async function outcomeAfter<State, C extends Command, E extends MailfoldEvent>(
  unknown: OutcomeUnknown,
  request: CommandRequest<State, C, E>,
): Promise<CommandOutcome<E>> {
  const read = await request.store.readStream(request.streamName).catch(() => null);
  const outcome = read && earlierOutcome(request, read.events);
  if (!outcome) throw unknown;
  return { ...outcome, repeated: false };
}

/** The answer of this command's first try, from the events it left in the stream. */
function earlierOutcome<State, C extends Command, E extends MailfoldEvent>(
  { command, requestHash }: CommandRequest<State, C, E>,
  history: readonly Recorded<MailfoldEvent>[],
): CommandOutcome<E> | null {
  const earlier = effectOf(command.metadata.commandId, history, requestHash);
  const last = earlier.at(-1);
  if (!last) return null;
  const events = earlier as unknown as E[];
  return { events, revision: last.revision, position: last.position, repeated: true };
}

function effectOf(
  commandId: string,
  history: readonly Recorded<MailfoldEvent>[],
  requestHash: string | undefined,
): Recorded<MailfoldEvent>[] {
  const earlier = history.filter((event) => event.metadata.commandId === commandId);
  const first = earlier[0];
  if (first && requestHash !== undefined && first.metadata.requestHash !== requestHash)
    throw new IdempotencyMismatch(commandId);
  return earlier;
}

/** Stamps the events of one command: ids, and the metadata they share. */
export function toAppend<E extends MailfoldEvent>(
  events: readonly E[],
  {
    command,
    requestHash,
    causationId,
    correlationId,
  }: Pick<CommandRequest<unknown, Command, E>, 'command' | 'requestHash' | 'causationId' | 'correlationId'>,
): EventToAppend[] {
  const { tenantId, commandId, actor, now } = command.metadata;
  const metadata: EventMetadata = {
    tenantId,
    schemaVersion: 1,
    occurredAt: now,
    actor,
    commandId,
    ...(requestHash === undefined ? {} : { requestHash }),
    $correlationId: correlationId ?? commandId,
    $causationId: causationId ?? commandId,
  };
  return events.map((event, index) => ({ id: eventId(commandId, index), event, metadata }));
}
