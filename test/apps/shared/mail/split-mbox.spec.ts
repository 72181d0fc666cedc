import fc from 'fast-check';
import { MboxMessage, NotAnMbox, splitMbox, SplitMboxOptions } from '../../../../apps/shared/mail/split-mbox';
import { describeWithCorpus } from '../../../support/mail-corpus';

async function* inChunks(bytes: Buffer, sizeBytes: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += sizeBytes)
    yield bytes.subarray(start, start + sizeBytes);
}

async function split(
  mbox: Buffer | string,
  chunkBytes = 65_536,
  options: SplitMboxOptions = {},
): Promise<MboxMessage[]> {
  const messages: MboxMessage[] = [];
  for await (const message of splitMbox(inChunks(Buffer.from(mbox), chunkBytes), options))
    messages.push(message);
  return messages;
}

const bodies = (messages: MboxMessage[]) => messages.map(({ raw }) => Buffer.from(raw).toString());
const fromLine = 'From a@example.org Fri Feb 22 15:06:23 2008';

describe('splitting an mbox', () => {
  const two = `${fromLine}\nSubject: 1\n\none\n\n${fromLine} +0200\nSubject: 2\n\ntwo\n`;

  it('finds every message with its line and its place', async () => {
    const messages = await split(two);
    expect(bodies(messages)).toEqual(['Subject: 1\n\none\n\n', 'Subject: 2\n\ntwo\n']);
    expect(messages.map(({ fromLine }) => fromLine)).toEqual([fromLine, `${fromLine} +0200`]);
    expect(messages.map(({ offset, nextOffset }) => [offset, nextOffset])).toEqual([
      [0, 61],
      [61, two.length],
    ]);
  });

  it('goes on from where an earlier run ended', async () => {
    const [first, second] = await split(two);
    const rest = await split(two.slice(first?.nextOffset), 65_536, { startOffset: first?.nextOffset ?? 0 });
    expect(rest).toEqual([second]);
  });

  it('reads CRLF as it is', async () => {
    const messages = await split(two.replaceAll('\n', '\r\n'));
    expect(bodies(messages)).toEqual(['Subject: 1\r\n\r\none\r\n\r\n', 'Subject: 2\r\n\r\ntwo\r\n']);
  });

  it('takes one quote off ">From " lines and no other', async () => {
    const [message] = await split(`${fromLine}\n\n>From here\n>>From there\n>Fromage\n > From\n> From\n`);
    expect(Buffer.from(message?.raw ?? []).toString()).toBe(
      '\nFrom here\n>From there\n>Fromage\n > From\n> From\n',
    );
  });

  it.each([
    ['not behind a blank line', `text\n${fromLine}\nmore\n`],
    ['without a date', 'text\n\nFrom now on all is well\n'],
  ])('does not split at "From " %s', async (_why, body) => {
    expect(bodies(await split(`${fromLine}\n\n${body}`))).toEqual([`\n${body}`]);
  });

  it('finds nothing in nothing', async () => {
    expect(await split('')).toEqual([]);
    expect(await split('\n\r\n')).toEqual([]);
  });

  it('refuses what is no mbox', async () => {
    await expect(split('Subject: a single mail\n\nbody\n')).rejects.toThrow(NotAnMbox);
  });

  it('holds no more of an endless message than its reader would take, and finds the next one', async () => {
    const messages = await split(
      `${fromLine}\n\n${'x'.repeat(99)}\n`.padEnd(5_000, 'y\n') + `\n\n${two}`,
      100,
      { messageBytesMax: 200 },
    );
    expect(messages).toHaveLength(3);
    expect(messages[0]?.raw.length).toBeGreaterThan(200);
    expect(messages[0]?.raw.length).toBeLessThan(400);
  });

  it('gives back what was quoted into it, however the bytes arrive', async () => {
    const line = fc.constantFrom(
      '',
      'text',
      'From here',
      '>From there',
      '>>From x 10:00 2008',
      fromLine,
      '>',
      'Größe',
    );
    const body = fc
      .array(line, { maxLength: 8 })
      .map((lines) => `${['Subject: s', '', ...lines].join('\n')}\n\n`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(body, { maxLength: 5 }),
        fc.integer({ min: 1, max: 40 }),
        async (messages, chunkBytes) => {
          const mbox = messages
            .map((message) => `${fromLine}\n${message.replace(/^>*From /gm, '>$&')}`)
            .join('');
          expect(bodies(await split(mbox, chunkBytes))).toEqual(messages);
        },
      ),
    );
  });
});

describeWithCorpus('the mboxes of the corpus', (corpus) => {
  it.each([1, 1_000, 65_536])(
    'split into the very messages their origin expects, in chunks of %d bytes',
    async (chunkBytes) => {
      const folder = 'mime/james-mime4j/mbox';
      const messages = await split(corpus.read(`${folder}/mbox.rlug`), chunkBytes);
      expect(messages).toHaveLength(5);
      messages.forEach(({ raw }, index) =>
        expect(Buffer.from(raw).equals(corpus.read(`${folder}/mbox.rlug-${index}`))).toBe(true),
      );
    },
  );

  it.each([
    ['threads/imaptest/thread.mbox', 3],
    ['threads/imaptest/thread-orderedsubject.mbox', 15],
    ['threads/ponymail/users_ponymail_apache_org_2019-09.mbox', 4],
    ['threads/ponymail/users_ponymail_apache_org_2022-01.mbox', 6],
  ])('%s holds %d messages', async (path, count) => {
    expect(await split(corpus.read(path))).toHaveLength(count);
  });
});
