import { createMailParser, MailParser } from '../../../../apps/shared/mail/mail-parser';

// The threads run the built worker: `npm test` builds it first.
const mail = (subject: string, body = 'text') =>
  Buffer.from(`From: a@example.org\nSubject: ${subject}\n\n${body}`);
const lines = (megabytes: number) => 'x\n'.repeat(megabytes * 512 * 1024);

describe('the mail parser', () => {
  let parser: MailParser;
  beforeAll(() => {
    parser = createMailParser({ threads: 2, timeoutMs: 2_000, memoryLimitMb: 256 });
  });
  afterAll(() => parser.close());

  it('reads a mail in a thread, bytes and all', async () => {
    const attachment =
      'From: a@example.org\nContent-Type: image/gif\nContent-Transfer-Encoding: base64\n\nR0lGODk=\n';
    const result = await parser.parse(Buffer.from(attachment));
    if (result.outcome === 'parked') throw new Error(result.reason);
    expect(Buffer.from(result.mail.attachments[0]?.content ?? []).toString()).toBe('GIF89');
  });

  it('leaves the bytes with their owner', async () => {
    const raw = mail('kept');
    await parser.parse(raw);
    expect(raw.toString()).toContain('Subject: kept');
  });

  it('reads a hundred mails at once and answers each with its own', async () => {
    const subjects = Array.from({ length: 100 }, (_, index) => `mail ${index}`);
    const results = await Promise.all(subjects.map((subject) => parser.parse(mail(subject))));
    expect(
      results.map((result) => (result.outcome === 'parsed' ? result.mail.subject : result.reason)),
    ).toEqual(subjects);
  });

  it('parks what takes too long and goes on', async () => {
    const impatient = createMailParser({ threads: 1, timeoutMs: 100, timePerMebibyteMs: 0 });
    const [slow, next] = await Promise.all([
      impatient.parse(mail('slow', lines(20))),
      impatient.parse(mail('next')),
    ]);
    expect(slow).toMatchObject({ outcome: 'parked', reason: 'parse-timeout' });
    expect(next).toMatchObject({ outcome: 'parsed', mail: { subject: 'next' } });
    await impatient.close();
  });

  it('parks what takes too much memory and goes on', async () => {
    const narrow = createMailParser({ threads: 1, timeoutMs: 30_000, memoryLimitMb: 24 });
    const [large, next] = await Promise.all([
      narrow.parse(mail('large', lines(20))),
      narrow.parse(mail('next')),
    ]);
    expect(large).toMatchObject({ outcome: 'parked', reason: 'parse-memory' });
    expect(next).toMatchObject({ outcome: 'parsed', mail: { subject: 'next' } });
    await narrow.close();
  });

  it('keeps the caller responsive while a thread is busy', async () => {
    let ticks = 0;
    const ticker = setInterval(() => (ticks += 1), 10);
    await parser.parse(mail('large', lines(4)));
    clearInterval(ticker);
    expect(ticks).toBeGreaterThan(5);
  });

  it('reads in place, to the same, what is small and was read before, and nothing else', async () => {
    const inPlace = createMailParser({ threads: 1, timeoutMs: 30_000, inPlaceBytesMax: 1_000 });
    const answered: string[] = [];
    const parse = async (name: string, body: string, wasRead: boolean) => {
      const result = await inPlace.parse(mail(name, body), wasRead);
      answered.push(name);
      return result;
    };
    // The only thread is kept busy by the first, so whatever needs it waits.
    const results = await Promise.all([
      parse('large', lines(4), true),
      parse('unknown', 'text', false),
      parse('known', 'text', true),
    ]);
    await inPlace.close();
    expect(answered).toEqual(['known', 'large', 'unknown']);
    expect(results[2]).toEqual(await parser.parse(mail('known', 'text')));
  });

  it('refuses work once closed', async () => {
    const closed = createMailParser({ threads: 1 });
    await closed.close();
    await expect(closed.parse(mail('late'))).rejects.toThrow('closed');
  });
});
