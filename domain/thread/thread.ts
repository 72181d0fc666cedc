import type { Decider } from '../decider';
import { DomainError } from '../domain-error';
import type { AddThreadMembers, MergeThreads, ThreadCommand } from './thread.commands';
import type { ThreadEvent, ThreadMember } from './thread.events';

/** `members` by message. They still count after a merge, until the thread they went into has them. */
export interface Thread {
  readonly members: ReadonlyMap<string, ThreadMember>;
  readonly mergedInto: string | null;
}

export type ThreadErrorCode = 'THREAD_MERGED' | 'THREAD_MERGE_UPWARDS';

export const thread: Decider<Thread, ThreadCommand, ThreadEvent> = {
  initialState: { members: new Map(), mergedInto: null },
  decide(command, state) {
    switch (command.type) {
      case 'AddThreadMembers':
        return addMembers(command, state);
      case 'MergeThreads':
        return merge(command, state);
    }
  },
  // Replays history that already happened: it never throws and never reads a clock.
  evolve(state, event) {
    switch (event.type) {
      case 'ThreadMemberAdded': {
        const { member } = event.data;
        return { ...state, members: new Map(state.members).set(member.messageId, member) };
      }
      case 'ThreadsMerged':
        return { ...state, mergedInto: event.data.into };
    }
  },
};

function addMembers({ data }: AddThreadMembers, { members, mergedInto }: Thread): ThreadEvent[] {
  const { threadId, mailboxId } = data;
  const added = data.members.filter(({ messageId }) => !members.has(messageId));
  if (added.length > 0 && mergedInto !== null) throw mergedAlready(mergedInto);
  return added.map((member) => ({ type: 'ThreadMemberAdded', data: { threadId, mailboxId, member } }));
}

function merge({ data: { threadId, mailboxId, into } }: MergeThreads, { mergedInto }: Thread): ThreadEvent[] {
  if (mergedInto === into) return [];
  if (mergedInto !== null) throw mergedAlready(mergedInto);
  if (into >= threadId) {
    throw new DomainError<ThreadErrorCode>(
      'THREAD_MERGE_UPWARDS',
      'A thread merges only into one with a smaller id, so that no ring can form',
    );
  }
  return [{ type: 'ThreadsMerged', data: { threadId, mailboxId, into } }];
}

function mergedAlready(into: string): DomainError<ThreadErrorCode> {
  return new DomainError('THREAD_MERGED', `This thread counts in ${into} by now`);
}
