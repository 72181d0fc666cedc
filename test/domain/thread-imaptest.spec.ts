import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { baseSubject, normaliseMessageId, parseMessageIds } from '../../domain/message-identity';
import { partition, type ThreadedConversation } from '../../domain/thread/partition';
import type { ThreadMember } from '../../domain/thread/thread.events';

// The answers other IMAP servers are tested for (RFC 5256 REFERENCES); see the README of the corpus.
const corpus = process.env.MAIL_CORPUS;
const folder = join(corpus ?? '', 'threads', 'imaptest');
const isThere = corpus !== undefined && existsSync(join(corpus, 'MANIFEST.tsv'));
const withCorpus = isThere ? describe : describe.skip;

type Policy = 'references' | 'references-and-subject';

withCorpus('imaptest trees (skipped: MAIL_CORPUS is not set, mail corpus tests did not run)', () => {
  it.each<[string, Policy, string]>([
    ['thread.mbox', 'references', '(3 2)(1)'],
    ['thread3.mbox', 'references', '(1 2)'],
    ['thread4.mbox', 'references-and-subject', '(1 2)'],
  ])('%s by %s', (file, policy, tree) => {
    expect(render(partition(readEvidence(file, policy)))).toBe(tree);
  });

  it('thread.mbox without its first message', () => {
    expect(render(partition(readEvidence('thread.mbox', 'references').slice(1)))).toBe('(3 2)');
  });

  it('thread4.mbox needs the subject: its references meet nowhere', () => {
    expect(render(partition(readEvidence('thread4.mbox', 'references')))).toBe('(1)(2)');
  });

  it('thread2.mbox holds one mail twice, which is one message', () => {
    const [first, second] = readEvidence('thread2.mbox', 'references');
    expect({ ...second, messageId: '' }).toEqual({ ...first, messageId: '' });
  });
});

/** Message numbers are positions in the mbox; the date is that of the mbox "From " line. */
function readEvidence(file: string, policy: Policy): ThreadMember[] {
  const mails = readFileSync(join(folder, file), 'latin1')
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
