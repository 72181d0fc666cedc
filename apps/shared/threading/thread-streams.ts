import type { MailfoldEvent } from '../../../domain/catalogue.events';
import { streamName } from '../../../domain/stream-name';
import { thread, type Thread } from '../../../domain/thread/thread';
import type { ThreadEvent, ThreadMember } from '../../../domain/thread/thread.events';
import type { EventStore, ExpectedRevision } from '../event-store/event-store';
import { isMessageFact, type MessageFact } from './message-fact';

export interface ThreadStream {
  readonly threadId: string;
  readonly thread: Thread;
  readonly revision: ExpectedRevision;
}

/** What one plan has read of the threads of a tenant; each stream once, so that a plan rests on one view of it. */
export class ThreadStreams {
  private readonly streams = new Map<string, Promise<ThreadStream>>();

  constructor(
    private readonly store: EventStore,
    private readonly tenantId: string,
  ) {}

  /** From a node to its root, both included; a node without a stream is its own root. */
  async pathFrom(nodeId: string): Promise<ThreadStream[]> {
    const path: ThreadStream[] = [];
    for (let next: string | null = nodeId; next !== null;) {
      const found = await this.read(next);
      path.push(found);
      next = found.thread.mergedInto;
    }
    return path;
  }

  /** The fact in the stream of the message that has this id, if it came: bytes nobody could read are no fact. */
  async messageAt(nodeId: string): Promise<MessageFact | null> {
    const { events } = await this.store.readStream(streamName('message', this.tenantId, nodeId));
    return events.find((event) => isMessageFact(event)) ?? null;
  }

  private read(threadId: string): Promise<ThreadStream> {
    const known = this.streams.get(threadId);
    if (known) return known;
    const found = readThread(this.store, this.tenantId, threadId);
    this.streams.set(threadId, found);
    return found;
  }
}

export function nodesOf({ nodeId, ancestorNodeIds, subjectNodeId }: ThreadMember): string[] {
  // Nearest first: its thread most often knows all the others.
  const nearestFirst = [nodeId, ...ancestorNodeIds.toReversed()];
  return [...new Set(subjectNodeId === null ? nearestFirst : [...nearestFirst, subjectNodeId])];
}

export function threadStreamName(tenantId: string, threadId: string): string {
  return streamName('thread', tenantId, threadId);
}

async function readThread(store: EventStore, tenantId: string, threadId: string): Promise<ThreadStream> {
  const { events, revision } = await store.readStream(threadStreamName(tenantId, threadId));
  const state = events
    .filter((event) => isThreadEvent(event))
    .reduce<Thread>((folded, event) => thread.evolve(folded, event), thread.initialState);
  return { threadId, thread: state, revision };
}

function isThreadEvent<E extends MailfoldEvent>(event: E): event is E & ThreadEvent {
  return event.type === 'ThreadMemberAdded' || event.type === 'ThreadsMerged';
}
