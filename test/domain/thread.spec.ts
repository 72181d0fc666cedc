import { AddThreadMembers, MergeThreads } from '../../domain/thread/thread.commands';
import type { ThreadEvent, ThreadMember } from '../../domain/thread/thread.events';
import { thread } from '../../domain/thread/thread';
import { by } from '../support/commands';
import { specify } from '../support/decider-spec';

const given = specify(thread);
const ofThread = { threadId: 'node-5', mailboxId: 'box' };
const member = (messageId: string): ThreadMember => ({
  messageId,
  nodeId: messageId,
  ancestorNodeIds: [],
  subjectNodeId: null,
  isReplySubject: false,
  sentAt: null,
});
const added = (messageId: string): ThreadEvent => ({
  type: 'ThreadMemberAdded',
  data: { ...ofThread, member: member(messageId) },
});
const merged: ThreadEvent = { type: 'ThreadsMerged', data: { ...ofThread, into: 'node-1' } };
const add = (...ids: string[]) => new AddThreadMembers({ ...ofThread, members: ids.map(member) }, by);

describe('a thread', () => {
  it('gathers members, each once', () => {
    given([added('a')])
      .when(add('a', 'b'))
      .then([added('b')]);
  });
  it('is merged into one with a smaller id', () => {
    given([added('a')])
      .when(new MergeThreads({ ...ofThread, into: 'node-1' }, by))
      .then([merged]);
  });
  it.each(['node-5', 'node-9'])('is not merged into %s, so that no ring can form', (into) => {
    given([])
      .when(new MergeThreads({ ...ofThread, into }, by))
      .thenRejectedWith('THREAD_MERGE_UPWARDS');
  });
  it('takes nothing more once merged', () => {
    given([merged]).when(add('a')).thenRejectedWith('THREAD_MERGED');
    given([merged])
      .when(new MergeThreads({ ...ofThread, into: 'node-0' }, by))
      .thenRejectedWith('THREAD_MERGED');
  });
});
