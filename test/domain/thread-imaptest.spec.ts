import { baseSubject, normaliseMessageId, parseMessageIds } from '../../domain/message-identity';
import { partition, type ThreadedConversation } from '../../domain/thread/partition';
import type { ThreadMember } from '../../domain/thread/thread.events';
import { describeWithCorpus, type MailCorpus } from '../support/mail-corpus';

type Policy = 'references' | 'references-and-subject';

// The answers other IMAP servers are tested for (RFC 5256 REFERENCES); see the README of the corpus.
describeWithCorpus('imaptest trees', (corpus) => {
  it.each<[string, Policy, string]>([
    ['thread.mbox', 'references', '(3 2)(1)'],
    ['thread3.mbox', 'references', '(1 2)'],
    ['thread4.mbox', 'references-and-subject', '(1 2)'],
  ])('%s by %s', (file, policy, tree) => {
    expect(render(partition(readEvidence(corpus, file, policy)))).toBe(tree);
  });

  it('thread.mbox without its first message', () => {
    expect(render(partition(readEvidence(corpus, 'thread.mbox', 'references').slice(1)))).toBe('(3 2)');
  });

  it('thread4.mbox needs the subject: its references meet nowhere', () => {
    expect(render(partition(readEvidence(corpus, 'thread4.mbox', 'references')))).toBe('(1)(2)');
  });

  it('thread2.mbox holds one mail twice, which is one message', () => {
    const [first, second] = readEvidence(corpus, 'thread2.mbox', 'references');
    expect({ ...second, messageId: '' }).toEqual({ ...first, messageId: '' });
  });
});

/** Message numbers are positions in the mbox; the date is that of the mbox "From " line. */
function readEvidence(corpus: MailCorpus, file: string, policy: Policy): ThreadMember[] {
  const mails = corpus
    .read(`threads/imaptest/${file}`)
    .toString('latin1')
    .split(/^From .*?  /m)
    .slice(1);
  return mails.map((mail, index) => {
    const [date = '', ...lines] = mail.split('\n');
    const header = (name: string): string =>
      lines.find((line) => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1) ?? '';
    const { base, isReply } = baseSubject(header('subject').trim());
    return {
      messageId: String(index + 1),
      nodeId: normaliseMessageId(header('message-id')) ?? `none ${index}`,
      ancestorNodeIds: parseMessageIds(header('references')),
      subjectNodeId: policy === 'references-and-subject' && base !== '' ? `subject ${base}` : null,
      isReplySubject: isReply,
      sentAt: new Date(date).toISOString(),
    };
  });
}

/** In the notation of RFC 5256, for trees without branches. */
function render(conversations: readonly ThreadedConversation[]): string {
  return conversations.map(({ members }) => `(${members.map((m) => m.messageId).join(' ')})`).join('');
}
