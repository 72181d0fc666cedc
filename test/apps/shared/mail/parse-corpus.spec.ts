import { MailParseResult, parseMail } from '../../../../apps/shared/mail/parse-mail';
import { cpuTimeMs } from '../../../support/cpu-time';
import { CorpusFile, describeWithCorpus, MailCorpus } from '../../../support/mail-corpus';

interface Read extends CorpusFile {
  result: MailParseResult;
  durationMs: number;
}

async function readAll(corpus: MailCorpus, folder: string): Promise<Read[]> {
  const read: Read[] = [];
  for (const file of corpus.messages(folder)) {
    let result: MailParseResult = { outcome: 'parked', reason: 'parse-failed', detail: 'not read' };
    const durationMs = await cpuTimeMs(async () => (result = await parseMail(file.bytes)));
    read.push({ ...file, result, durationMs });
  }
  return read;
}

describeWithCorpus('the mail corpus', (corpus) => {
  describe.each([
    ['mime/', 296],
    ['threads/', 32],
    ['bounces/', 391],
  ])('%s', (folder, countMin) => {
    let read: Read[];
    beforeAll(async () => {
      read = await readAll(corpus, folder);
    });

    it('is there', () => expect(read.length).toBeGreaterThanOrEqual(countMin));

    it('parks only what has no header field', () => {
      const parked = read.flatMap(({ path, result }) =>
        result.outcome === 'parked' ? [{ path, reason: result.reason }] : [],
      );
      const noHeader = ['malformedHeader', 'malformedHeaderStartsBody'].map((name) => ({
        path: `mime/james-mime4j/testmsgs/${name}-noheader.msg`,
        reason: 'not-mime',
      }));
      expect(parked).toEqual(folder === 'mime/' ? noHeader : []);
    });

    it('takes less than two seconds for each', () => {
      expect(Math.max(...read.map(({ durationMs }) => durationMs))).toBeLessThan(2_000);
    });

    it('gives strings that PostgreSQL stores', () => {
      const unstorable = read.filter(({ result }) => {
        const strings = JSON.stringify(result, (key, value: unknown) =>
          key === 'content' ? undefined : value,
        );
        return /\\u0000|\\ud[89a-f]/i.test(strings);
      });
      expect(unstorable.map(({ path }) => path)).toEqual([]);
    });

    it('reads a text, an HTML or an attachment out of every body', () => {
      const silent = read.filter(({ bytes, result }) => {
        if (result.outcome === 'parked') return false;
        const { text, html, attachments } = result.mail;
        const body = bytes
          .toString('latin1')
          .replace(/^[\r\n]+/, '')
          .split(/\r\n\r\n|\n\n|\r\r/)
          .slice(1)
          .join('')
          .trim();
        return text === null && html === null && attachments.length === 0 && body !== '';
      });
      expect(silent.map(({ path }) => path)).toEqual([]);
    });
  });

  it('reads a Message-ID or a Date out of every CR-only mail', async () => {
    const read = await readAll(corpus, 'bounces/mac/');
    expect(read).toHaveLength(40);
    const unread = read.filter(({ result }) => {
      return (
        result.outcome === 'parked' || (result.mail.messageIdHeader === null && result.mail.sentAt === null)
      );
    });
    expect(unread.map(({ path }) => path)).toEqual([]);
  });

  it('gives one fingerprint for the CRLF and the CR-only copy of a mail', async () => {
    const dos = await readAll(corpus, 'bounces/dos/');
    const mac = await readAll(corpus, 'bounces/mac/');
    const fingerprints = (read: Read[]): string[] => {
      return read.map(({ result }) =>
        result.outcome === 'parsed' ? result.mail.fingerprint : result.reason,
      );
    };
    expect(fingerprints(mac)).toEqual(fingerprints(dos));
    // Four mails lie in the folder twice, under two names.
    expect(new Set(fingerprints(dos)).size).toBe(36);
  });
});
