import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  RevisionConflict,
  type EventStore,
  type EventToAppend,
  type ExpectedRevision,
} from '../../../apps/shared/event-store/event-store';
import { eventId } from '../../../apps/shared/ids/uuid-v5';
import { streamName } from '../../../domain/stream-name';
import type { Random } from '../../../apps/dev/sample-log/random';
import { nowMicroseconds, type Operation, type Outcome } from './history';

/** So many events at most in one append. */
const batchMax = 5;
/** After so many commands a writer turns to a new stream of its own, so that streams are begun as well as gone on with. */
const commandsPerOwnStream = 50;
const rememberedCommands = 64;
const pauseMaxMs = 20;

/** The tenant of all that chaos writes. */
export const chaosTenant = '00000000-0000-4000-8000-00000000c0de';

interface Command {
  readonly commandId: string;
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly EventToAppend[];
}

interface Answer {
  readonly outcome: Outcome;
  readonly revision: number | null;
  readonly position: number | null;
  readonly reason: string | null;
  /** Where the stream stands, as far as the answer tells. */
  readonly stands?: ExpectedRevision;
}

/**
 * Appends batches to a stream of its own and to streams that others write too, always at an exact revision. A try of unknown
 * outcome is repeated with the same ids, or now and then left as it is; an acknowledged one is repeated now and then as well,
 * and must then be answered as before. A refused command is given up: what comes next is a new one.
 */
export class Writer {
  private readonly revisions = new Map<string, ExpectedRevision>();
  private readonly acknowledged: Command[] = [];
  private ownStream = newStream();
  private commandCount = 0;
  private stopping = false;

  constructor(
    private readonly store: EventStore,
    private readonly random: Random,
    private readonly sharedStreams: readonly string[],
    private readonly record: (operation: Operation) => void,
  ) {}

  /** Until {@link stop}. Never rejects: whatever a try ends with is part of the history. */
  async run(): Promise<void> {
    while (!this.stopping) {
      if (this.random.chance(0.2)) await delay(this.random.between(1, pauseMaxMs));
      const repeated = this.random.chance(0.05) ? this.random.pick(this.acknowledged) : undefined;
      await this.carryOut(repeated ?? this.nextCommand());
    }
  }

  /** After the try in hand. */
  stop(): void {
    this.stopping = true;
  }

  private nextCommand(): Command {
    if (++this.commandCount % commandsPerOwnStream === 0) this.ownStream = newStream();
    const shared = this.random.chance(0.4) ? this.random.pick(this.sharedStreams) : undefined;
    const stream = shared ?? this.ownStream;
    const commandId = randomUUID();
    const events = Array.from({ length: this.random.between(1, batchMax) }, (_, index) =>
      this.event(commandId, index),
    );
    return { commandId, stream, expected: this.revisions.get(stream) ?? 'no-stream', events };
  }

  private async carryOut(command: Command): Promise<void> {
    for (;;) {
      const answer = await this.attempt(command);
      if (answer.outcome === 'ok') this.remember(command);
      if (answer.stands !== undefined) this.revisions.set(command.stream, answer.stands);
      if (answer.outcome !== 'info' || this.stopping || this.random.chance(0.1)) return;
      await delay(this.random.between(1, pauseMaxMs));
    }
  }

  private async attempt(command: Command): Promise<Answer> {
    const invoke = nowMicroseconds();
    const answer = await this.append(command);
    const { outcome, revision, position, reason } = answer;
    this.record({
      opId: randomUUID(),
      commandId: command.commandId,
      stream: command.stream,
      eventIds: command.events.map(({ id }) => id),
      invoke,
      complete: nowMicroseconds(),
      ...{ outcome, revision, position, reason },
    });
    return answer;
  }

  private async append({ stream, expected, events }: Command): Promise<Answer> {
    try {
      const { revision, position } = await this.store.append(stream, expected, events);
      // A repeat is answered with its old revision, and the stream may have gone on since.
      const known = this.revisions.get(stream);
      const stands = typeof known === 'number' ? Math.max(known, revision) : revision;
      return { outcome: 'ok', revision, position: Number(position), reason: null, stands };
    } catch (error) {
      const nothing = { revision: null, position: null, reason: reasonOf(error) };
      if (error instanceof RevisionConflict) return { outcome: 'fail', ...nothing, stands: error.actual };
      return { outcome: 'info', ...nothing };
    }
  }

  private remember(command: Command): void {
    if (this.acknowledged.length < rememberedCommands) this.acknowledged.push(command);
    else this.acknowledged[this.random.between(0, rememberedCommands - 1)] = command;
  }

  /** Mostly small ones, and here and there a chunk of content, which a filtered subscriber must not get. */
  private event(commandId: string, index: number): EventToAppend {
    const metadata: EventToAppend['metadata'] = {
      tenantId: chaosTenant,
      schemaVersion: 1,
      occurredAt: new Date().toISOString(),
      actor: { kind: 'system', id: null },
      commandId,
      $correlationId: commandId,
      $causationId: commandId,
    };
    const id = eventId(commandId, index);
    if (this.random.chance(0.05)) {
      const bytes = new Uint8Array(2 ** this.random.between(6, 14)).fill(this.random.between(0, 255));
      return { id, event: { type: 'MessageContentStored', data: { chunk: index, bytes } }, metadata };
    }
    const data = { userId: chaosTenant, from: 'agent', to: 'viewer' } as const;
    return { id, event: { type: 'UserRoleChanged', data }, metadata };
  }
}

export function newStream(): string {
  return streamName('user', chaosTenant, randomUUID());
}

/** The class and, where it is unlike it, the cause's: enough to count by. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.name}: ${error.cause.name}` : error.name;
}
