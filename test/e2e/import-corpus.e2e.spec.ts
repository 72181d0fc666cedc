import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describeWithCorpus } from '../support/mail-corpus';
import { importedMails, mailfold, type ImportedMail } from './mailfold-process';
import { WholeSystem } from './whole-system';

const importTimeoutMs = 120_000;
const readsAtATime = 4;

/** The conversations of the imaptest scripts (threads/imaptest/expected.tsv), mails counted from 1 in their mbox. */
const threadCases = [
  { mbox: 'thread.mbox', policy: 'references', conversations: [[1], [2, 3]], why: '(3 2)(1)' },
  { mbox: 'thread2.mbox', policy: 'references', conversations: [[1, 2]], why: 'one mail, delivered twice' },
  { mbox: 'thread3.mbox', policy: 'references', conversations: [[1, 2]], why: '(1 2)' },
  { mbox: 'thread4.mbox', policy: 'references-and-subject', conversations: [[1, 2]], why: '(1 2)' },
] as const;

describeWithCorpus('importing the mail corpus through the API', (corpus) => {
  let system: WholeSystem;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mf-corpus-'));
    system = await WholeSystem.start();
  });
  afterAll(async () => {
    await system?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function imported(
    path: string,
    mailboxId: string,
  ): Promise<{ mails: ImportedMail[]; position: string }> {
    const run = await mailfold(['import', path, '--mailbox', mailboxId], { env: system.cliEnvironment });
    expect({ exitCode: run.exitCode, stderr: run.exitCode === 0 ? '' : run.stderr }).toEqual({
      exitCode: 0,
      stderr: '',
    });
    return { mails: importedMails(run), position: String(run.records.at(-1)?.['position']) };
  }

  it.each(['mime/', 'threads/', 'bounces/'])(
    'answers for every file of %s, and gives the bytes of each back',
    async (part) => {
      const mailboxId = await system.createMailbox();
      // Copied under flat names: one folder, so that what else lies in the corpus is not taken for mail.
      const source = mkdtempSync(join(folder, 'part-'));
      let files = 0;
      for (const { path, bytes } of corpus.messages(part)) {
        files += 1;
        writeFileSync(join(source, `${path.replaceAll('/', '~')}.eml`), bytes);
      }
      const { mails, position } = await imported(source, mailboxId);
      expect(mails).toHaveLength(files);
      expect(mails.filter(({ outcome, reason }) => outcome === 'parked' && !reason)).toEqual([]);
      const firstOf = new Map<string, ImportedMail>();
      for (const mail of mails) if (mail.outcome !== 'duplicate') firstOf.set(mail.messageId, mail);
      // A duplicate names a message that was accepted, under another name of the same content.
      for (const { messageId } of mails) expect(firstOf.has(messageId)).toBe(true);
      const taken = [...firstOf.values()];
      for (let from = 0; from < taken.length; from += readsAtATime)
        await Promise.all(
          taken.slice(from, from + readsAtATime).map(async ({ messageId, sha256, name }) => {
            expect({ name, sha256: await system.rawSha256(messageId, position) }).toEqual({ name, sha256 });
          }),
        );
    },
    importTimeoutMs,
  );

  it.each(threadCases)(
    'gives $mbox the conversations of its script: $why',
    async ({ mbox, policy, conversations }) => {
      const mailboxId = await system.createMailbox(policy);
      const path = join(folder, basename(mbox));
      writeFileSync(path, corpus.read(`threads/imaptest/${mbox}`));
      const { mails, position } = await imported(path, mailboxId);
      const inOrder = [...mails].sort((a, b) => offsetOf(a) - offsetOf(b));
      const found = (await system.conversationsOf(mailboxId, position)).map(({ messageIds }) =>
        inOrder.flatMap(({ messageId }, index) => (messageIds.includes(messageId) ? [index + 1] : [])),
      );
      expect(found.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))).toEqual(conversations);
    },
    importTimeoutMs,
  );

  it(
    'reads Message-ID or Date of every mail whose lines end in CR alone',
    async () => {
      const mailboxId = await system.createMailbox();
      const source = mkdtempSync(join(folder, 'mac-'));
      for (const { path, bytes } of corpus.messages('bounces/mac/'))
        writeFileSync(join(source, basename(path)), bytes);
      const { mails, position } = await imported(source, mailboxId);
      expect(mails).toHaveLength(40);
      const accepted = mails.filter(({ outcome }) => outcome === 'accepted');
      expect(accepted.length).toBeGreaterThan(30);
      for (const { messageId, name } of accepted) {
        const { headers } = await system.read<{ headers: { name: string }[] }>(
          `/v1/messages/${messageId}`,
          position,
        );
        const names = headers.map((header) => header.name.toLowerCase());
        expect({ name, known: names.includes('message-id') || names.includes('date') }).toEqual({
          name,
          known: true,
        });
      }
    },
    importTimeoutMs,
  );
});

function offsetOf({ name }: ImportedMail): number {
  return Number(name.slice(name.lastIndexOf('#') + 1));
}
