import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { mailCaps } from '../../../../apps/shared/mail/mail-caps';
import { ParsedMail, parseMail } from '../../../../apps/shared/mail/parse-mail';
import { cpuTimeMs } from '../../../support/cpu-time';

async function read(raw: string | Buffer): Promise<ParsedMail> {
  const result = await parseMail(Buffer.from(raw));
  if (result.outcome === 'parked') throw new Error(`${result.reason}: ${result.detail}`);
  return result.mail;
}

async function parkReason(raw: string | Buffer): Promise<string> {
  const result = await parseMail(Buffer.from(raw));
  return result.outcome === 'parked' ? result.reason : result.outcome;
}

/** As mail is on the wire: CRLF. */
const mail = (...lines: string[]) => lines.join('\r\n');

describe('reading a mail', () => {
  it('gives its identity, addresses, subject and time', async () => {
    const parsed = await read(
      mail(
        'Message-ID: <M.1@Example.ORG>',
        'In-Reply-To: <r.2@example.net>',
        'References: <r.1@example.net>',
        '\t<r.2@example.net>',
        'From: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= <Ann.B@Example.ORG>',
        'Sender: list@example.org',
        'Reply-To: team@example.org',
        'To: Group: one@example.net, "Two, T" <two@EXAMPLE.net>;, root',
        'Cc: three@example.net (Three)',
        'Bcc: four@example.net',
        'Subject: =?utf-8?Q?Caf=C3=A9?=',
        '  open',
        'Date: Sat, 21 Nov 2026 09:30:00 +0100',
        'List-Id: News <News.Example.org>',
        '',
        'Hello',
      ),
    );
    expect(parsed).toMatchObject({
      messageIdHeader: 'M.1@example.org',
      inReplyTo: ['r.2@example.net'],
      references: ['r.1@example.net', 'r.2@example.net'],
      from: [{ name: 'Grüße', address: 'Ann.B@example.org' }],
      sender: [{ name: null, address: 'list@example.org' }],
      replyTo: [{ name: null, address: 'team@example.org' }],
      to: [
        { name: null, address: 'one@example.net' },
        { name: 'Two, T', address: 'two@example.net' },
      ],
      cc: [{ name: 'Three', address: 'three@example.net' }],
      bcc: [{ name: null, address: 'four@example.net' }],
      subject: 'Café open',
      sentAt: '2026-11-21T08:30:00.000Z',
      listId: 'news.example.org',
      messageType: 'email',
      autoSubmitted: false,
      text: 'Hello\n',
      html: null,
      preview: 'Hello',
      attachments: [],
    });
    expect(parsed.headers[1]).toEqual({ name: 'In-Reply-To', value: '<r.2@example.net>' });
  });

  it('takes the first of a repeated header, as every other reader of these rows does', async () => {
    const parsed = await read(
      mail('From: a@example.org', 'From: b@example.org', 'Subject: 1', 'Subject: 2', '', ''),
    );
    expect(parsed).toMatchObject({ from: [{ address: 'a@example.org' }], subject: '1' });
  });

  it('routes a quoted local part to its own domain', async () => {
    const parsed = await read(mail('From: "a@evil.example x"@ok.example', '', ''));
    expect(parsed.from.map(({ address }) => address)).toEqual(['a@evil.example x@ok.example']);
  });

  it('gives every part that is neither text nor HTML as an attachment', async () => {
    const content = Buffer.from('GIF89a');
    const parsed = await read(
      mail(
        'From: a@example.org',
        'Content-Type: multipart/mixed; boundary="outer',
        ' part"',
        '',
        '--outer part',
        'Content-Type: multipart/related; boundary=inner',
        '',
        '--inner',
        'Content-Type: text/html; charset=iso-8859-1',
        '',
        '<style>p { color: red }</style><p>Hi&nbsp;&amp; bye</p><img src="cid:logo@x">',
        '--inner',
        'Content-Type: IMAGE/GIF',
        'Content-ID: <logo@x>',
        'Content-Transfer-Encoding: base64',
        '',
        content.toString('base64'),
        '--inner--',
        '--outer part',
        'Content-Type: message/rfc822',
        '',
        'Subject: forwarded',
        '',
        'not what the sender wrote',
        '--outer part',
        'Content-Type: application/pdf',
        "Content-Disposition: attachment; filename*=utf-8''%E2%82%AC%20rates.pdf",
        '',
        'pdf',
        '--outer part--',
      ),
    );
    expect(parsed.text).toBeNull();
    expect(parsed.html).toContain('<style>');
    expect(parsed.preview).toBe('Hi & bye');
    expect(parsed.attachments).toMatchObject([
      { filename: null, mimeType: 'image/gif', disposition: 'inline', contentId: 'logo@x', sizeBytes: 6 },
      { mimeType: 'message/rfc822', disposition: 'attachment', contentId: null },
      { filename: '€ rates.pdf', mimeType: 'application/pdf', disposition: 'attachment' },
    ]);
    expect(Buffer.from(parsed.attachments[0]?.content ?? [])).toEqual(content);
    expect(parsed.attachments[0]?.sha256).toBe(createHash('sha256').update(content).digest('hex'));
  });

  it('shows the body of a multipart whose delimiter never comes', async () => {
    const parsed = await read(
      mail('Content-Type: multipart/report; boundary=b', '', 'User unknown: a@example.org', ''),
    );
    expect(parsed.text).toBe('User unknown: a@example.org');
  });

  it('cuts a preview at 140 characters and no character in half', async () => {
    const parsed = await read(mail('From: a@example.org', '', `\u200b${'😀 '.repeat(200)}`));
    expect(Array.from(parsed.preview)).toHaveLength(139);
    expect(parsed.preview.replace(/😀| /gu, '')).toBe('');
  });

  it('does not mind an mbox line or blank lines in front', async () => {
    for (const front of ['From a@b Fri Feb 22 15:06:23 2008\r\n', '>From a@b\n', '\r\n\r\n', '\n']) {
      expect((await read(`${front}Subject: s\r\n\r\nbody`)).subject).toBe('s');
    }
  });
});

describe('line ends', () => {
  const crlf = mail(
    'Message-ID: <m@x>',
    'Date: Sat, 21 Nov 2026 09:30:00 +0100',
    'Subject: s',
    '',
    'line 1',
    'line 2',
    '',
  );

  it.each([
    ['CRLF', crlf],
    ['LF', crlf.replaceAll('\r\n', '\n')],
    ['CR alone', crlf.replaceAll('\r\n', '\r')],
    ['CR alone in the header', crlf.replaceAll('\r\n', '\r').replace(/line 1\r/, 'line 1\n')],
  ])('of %s give the same mail', async (_name, raw) => {
    const [parsed, expected] = [await read(raw), await read(crlf)];
    expect(parsed).toEqual(expected);
    expect(parsed).toMatchObject({
      messageIdHeader: 'm@x',
      sentAt: '2026-11-21T08:30:00.000Z',
      text: 'line 1\nline 2\n',
    });
  });

  it('leave a stray CR inside an LF mail alone', async () => {
    expect(await read('Subject: a\rb\nFrom: a@example.org\n\ntext')).toMatchObject({
      subject: 'a b',
      from: [{ address: 'a@example.org' }],
    });
  });
});

describe('the kind of a mail', () => {
  const report = (type: string, part: string) =>
    mail(
      `Content-Type: multipart/report; report-type=${type}; boundary=b`,
      '',
      '--b',
      '',
      'sorry',
      '--b',
      `Content-Type: ${part}`,
      '',
      'x',
      '--b--',
    );
  it.each([
    ['bounce', true, report('delivery-status', 'message/delivery-status')],
    ['bounce', true, mail('From: MAILER-DAEMON (Mail Delivery System)', 'Subject: Undelivered', '', '')],
    ['bounce', true, mail('Return-Path: <>', 'From: Postmaster@example.org', '', '')],
    ['email', false, mail('Return-Path: <p@example.org>', 'From: Postmaster@example.org', '', '')],
    ['email', false, report('feedback-report', 'message/feedback-report')],
    ['auto_reply', true, report('disposition-notification', 'message/disposition-notification')],
    ['auto_reply', true, mail('From: a@example.org', 'Auto-Submitted: auto-replied (vacation)', '', '')],
    ['auto_reply', true, mail('From: a@example.org', 'Precedence: auto_reply', '', '')],
    ['auto_reply', true, mail('From: a@example.org', 'X-Autoreply: yes', '', '')],
    [
      'auto_reply',
      true,
      mail('Return-Path: <>', 'From: a@example.org', 'X-Auto-Response-Suppress: All', '', ''),
    ],
    [
      'email',
      false,
      mail('Return-Path: <a@x>', 'From: a@example.org', 'X-Auto-Response-Suppress: All', '', ''),
    ],
    ['email', true, mail('Return-Path: <>', 'From: a@example.org', '', '')],
    ['email', true, mail('From: a@example.org', 'Auto-Submitted: auto-generated', '', '')],
    ['email', false, mail('From: a@example.org', 'Auto-Submitted: no', '', '')],
  ])('is %s (by machine: %s)', async (messageType, autoSubmitted, raw) => {
    expect(await read(raw)).toMatchObject({ messageType, autoSubmitted });
  });

  it('is not that of a report somebody forwarded', async () => {
    const forwarded = mail(
      'From: a@example.org',
      'Content-Type: multipart/mixed; boundary=f',
      '',
      '--f',
      report('delivery-status', 'message/delivery-status'),
      '--f--',
    );
    expect((await read(forwarded)).messageType).toBe('email');
  });
});

describe('the fingerprint', () => {
  const header = [
    'From: a@example.org',
    'To: b@example.org',
    'Date: Sat, 21 Nov 2026 09:30:00 +0100',
    'Subject: s',
  ];
  const first = mail(
    ...header,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    'Grüße',
    '',
  );
  const traces = [
    'Return-Path: <a@example.org>',
    'Delivered-To: b@example.org',
    'Received: from x by y; Sat, 21 Nov 2026 09:31:00 +0100',
    'DKIM-Signature: v=1',
    'Authentication-Results: y; spf=pass',
    'X-Spam-Score: 1',
    'ARC-Seal: i=1',
    '',
  ];

  it.each([
    ['over other hops', traces.join('\r\n') + first],
    ['with LF', first.replaceAll('\r\n', '\n')],
    ['with CR', first.replaceAll('\r\n', '\r')],
    [
      'in another transfer encoding',
      first.replace('8bit', 'base64').replace('Grüße', Buffer.from('Grüße').toString('base64')),
    ],
    ['with more blank lines at its end', `${first}\r\n\r\n`],
    ['with its header in another order', mail(...[...header].reverse(), '', 'Grüße', '')],
    ['with the time in another zone', first.replace('09:30:00 +0100', '08:30:00 GMT')],
    ['with the domain in capitals', first.replace('a@example.org', 'a@EXAMPLE.org')],
  ])('is the same %s', async (_how, raw) => {
    expect((await read(raw)).fingerprint).toBe((await read(first)).fingerprint);
  });

  it.each([
    ['body', first.replace('Grüße', 'Gruß')],
    ['subject', first.replace('Subject: s', 'Subject: t')],
    ['sender', first.replace('a@', 'c@')],
    ['recipient', first.replace('b@', 'c@')],
    ['date', first.replace('09:30', '09:31')],
    ['unreadable date', first.replace(/Date: .*/, 'Date: today')],
    ['type', first.replace('text/plain', 'text/html')],
  ])('is another with another %s', async (_what, raw) => {
    expect((await read(raw)).fingerprint).not.toBe((await read(first)).fingerprint);
  });

  it('covers attachments, whose text may change its line ends', async () => {
    const withFile = (type: string, content: string) =>
      mail(
        ...header,
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        '',
        'see file',
        '--b',
        `Content-Type: ${type}; name=f`,
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from(content).toString('base64'),
        '--b--',
      );
    const fingerprint = async (type: string, content: string) =>
      (await read(withFile(type, content))).fingerprint;
    expect(await fingerprint('text/csv', 'a\r\nb')).toBe(await fingerprint('text/csv', 'a\nb'));
    expect(await fingerprint('image/png', 'a\r\nb')).not.toBe(await fingerprint('image/png', 'a\nb'));
    expect(await fingerprint('text/csv', 'a')).not.toBe(await fingerprint('text/csv', 'b'));
  });
});

describe('charsets', () => {
  it.each([
    ['iso-2022-jp', Buffer.from('1b244224222122 1b2842'.replaceAll(' ', ''), 'hex'), 'あ'],
    ['iso-2022-kr', Buffer.from('0e30213a0f', 'hex'), null],
    ['utf-7', Buffer.from('+AGEAYg-'), null],
    ['no-such-charset', Buffer.from('text'), 'text'],
    ['utf-8', Buffer.from([0x61, 0xed, 0xa0, 0x80, 0x00, 0x62, 0xff]), null],
    ['utf-16le', Buffer.from([0x00, 0xd8, 0x41, 0x00]), null],
  ])('of %s never break a reading', async (charset, body, expected) => {
    const parsed = await read(
      Buffer.concat([Buffer.from(`Content-Type: text/plain; charset=${charset}\n\n`), body]),
    );
    expect(parsed.text ?? '').not.toMatch(/[\0\p{Surrogate}]/u);
    if (expected !== null) expect(parsed.text).toContain(expected);
  });

  it('of headers give strings that can be stored', async () => {
    const odd = '=?utf-16le?B?ANg=?= =?utf-8?Q?=00?= \0 \xff';
    const parsed = await read(
      Buffer.from(
        `From: ${odd} <a\0@b>\nSubject: ${odd}\nMessage-ID: <\0m@x>\nX-Odd: ${odd}\nContent-Type: x/y; name="${odd}"\n\nz`,
        'latin1',
      ),
    );
    expect(JSON.stringify(parsed)).not.toMatch(/\\u0000|\\ud[89a-f]/i);
    expect(parsed.subject).toContain('\uFFFD');
  });
});

describe('what is too much', () => {
  const nested = (depth: number) =>
    Array.from(
      { length: depth },
      (_, level) => `Content-Type: multipart/mixed; boundary=b${level}\n\n--b${level}\n`,
    ).join('') + '\ntext';
  const parts = (count: number) =>
    `Content-Type: multipart/mixed; boundary=b\n\n${'--b\n\nx\n'.repeat(count)}--b--`;
  const recipients = (count: number) =>
    `To: ${Array.from({ length: count }, (_, index) => `${index}@x.org`).join(', ')}\n\n`;
  const fields = (count: number) => `${'X-A: b\n'.repeat(count)}\n`;

  it.each([
    ['parsed', nested(mailCaps.depthMax)],
    ['too-deep', nested(mailCaps.depthMax + 1)],
    ['too-deep', nested(2_000)],
    ['parsed', parts(mailCaps.partsMax - 1)],
    ['too-many-parts', parts(mailCaps.partsMax)],
    ['too-many-parts', parts(20_000)],
    ['parsed', recipients(mailCaps.recipientsMax)],
    ['too-many-recipients', recipients(mailCaps.recipientsMax + 1)],
    ['header-too-large', recipients(100_000)],
    ['parsed', fields(mailCaps.headersMax)],
    ['too-many-headers', fields(mailCaps.headersMax + 1)],
    ['too-many-headers', fields(100_000)],
    ['header-too-large', `X: ${'y'.repeat(10 * 1024 * 1024)}\n\n`],
    ['header-too-large', `X: y\n${' y\n'.repeat(100_000)}\n`],
    ['header-too-large', `References: ${'<a@b> '.repeat(100_000)}\n\n`],
    ['header-too-large', parts(400).replaceAll('--b\n\nx', `--b\nX: ${'y'.repeat(6_000)}\n\nx`)],
    ['not-mime', ''],
    ['not-mime', '\r\n\r\n'],
    ['not-mime', 'just a sentence\n\nand another'],
    ['not-mime', 'x'.repeat(10 * 1024 * 1024)],
  ])('is %s', async (outcome, raw) => {
    const bytes = Buffer.from(raw);
    const work = async () => expect(await parkReason(bytes)).toBe(outcome);
    expect(await cpuTimeMs(work)).toBeLessThan(2_000);
  });

  it('of References is cut to the root and the newest', async () => {
    const ids = Array.from({ length: 5_000 }, (_, index) => `${index}@x.org`);
    const parsed = await read(`References: ${ids.map((id) => `<${id}>`).join('\n ')}\n\n`);
    expect(parsed.references).toEqual(['0@x.org', ...ids.slice(-99)]);
  });

  it.each([
    ['5,000 nested groups', `To: ${'g:'.repeat(5_000)}a@x.org${';'.repeat(5_000)}\n\n`],
    ['100,000 brackets', `To: ${'<'.repeat(100_000)}\n\n`],
    ['100,000 quotes', `From: ${'"a'.repeat(100_000)}\n\n`],
    [
      '100,000 comments',
      `From: ${'('.repeat(200_000)}\nDate: ${'('.repeat(20_000)}\nSubject: ${'=?utf-8?Q?'.repeat(2_000)}\n\n`,
    ],
    ['rfc822 in rfc822', 'Content-Type: message/rfc822\n\n'.repeat(2_000)],
    ['nested elements', `Content-Type: text/html\n\n${'<div>'.repeat(100_000)}`],
    [
      'boundaries that all but match',
      `Content-Type: multipart/mixed; boundary=${'b'.repeat(60)}\n\n${`--${'b'.repeat(59)}\n`.repeat(50_000)}`,
    ],
    ['a boundary without end', `Content-Type: multipart/mixed; ${';boundary="'.repeat(20_000)}\n\n`],
    ['spaces', `Subject: ${' '.repeat(200_000)}x\n\n${' '.repeat(1_000_000)}x`],
    ['a header name without end', `${'a'.repeat(200_000)}\nSubject: s\n\n`],
  ])('of %s takes less than two seconds', async (_what, raw) => {
    const bytes = Buffer.from(raw);
    expect(await cpuTimeMs(() => parseMail(bytes))).toBeLessThan(2_000);
  });

  it('never throws, whatever the bytes', async () => {
    const line = fc.oneof(
      fc.constantFrom(
        'Content-Type: multipart/mixed; boundary=b',
        'Content-Type: message/rfc822',
        '--b',
        '--b--',
        '',
      ),
      fc.constantFrom(
        'Content-Transfer-Encoding: base64',
        'Date: (',
        'From: <',
        'Message-ID: <',
        'Subject: =?utf-7?B?',
      ),
      fc.string({ unit: 'binary' }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 30 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        async (lines, lineEnd) => {
          const result = await parseMail(Buffer.from(lines.join(lineEnd), 'latin1'));
          expect(result.outcome === 'parsed' || result.reason === 'not-mime').toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
