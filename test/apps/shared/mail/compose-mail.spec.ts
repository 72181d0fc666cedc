import { composeMail, OutboundMail } from '../../../../apps/shared/mail/compose-mail';
import { parseMail, ParsedMail } from '../../../../apps/shared/mail/parse-mail';

const reply: OutboundMail = {
  from: { name: 'Grüße & Co, Support', address: 'support@example.org' },
  to: [{ name: null, address: 'ann@example.net' }],
  cc: [{ name: 'Bob "B" Smith', address: 'bob@example.net' }],
  subject: `Re: Büro – ${'a long subject '.repeat(10)}`.trim(),
  text: 'Hello Ann,\n\nFrom here on all is well.\n.\n— Grüße',
  html: '<p>Hello Ann,</p><p>From here on all is well.</p>',
  messageId: '0190a6f2.1a2b3c4d@example.org',
  inReplyTo: 'first@example.net',
  references: ['root@example.net', 'first@example.net'],
  date: '2026-11-21T08:00:00.000Z',
};

async function read(mail: OutboundMail): Promise<ParsedMail> {
  const result = await parseMail(await composeMail(mail));
  if (result.outcome === 'parked') throw new Error(result.reason);
  return result.mail;
}

describe('a composed mail', () => {
  it('reads back as what it was made from', async () => {
    const mail = await read(reply);
    expect(mail).toMatchObject({
      from: [reply.from],
      to: reply.to,
      cc: reply.cc,
      subject: reply.subject,
      messageIdHeader: reply.messageId,
      inReplyTo: [reply.inReplyTo],
      references: reply.references,
      sentAt: reply.date,
      html: `${reply.html}\n`,
      attachments: [],
    });
    expect(mail.text?.trimEnd()).toBe(reply.text);
  });

  it('is the same to the byte however often it is made', async () => {
    const [once, again] = [await composeMail(reply), await composeMail({ ...reply })];
    expect(again.equals(once)).toBe(true);
  });

  it('has another boundary under another id', async () => {
    const boundaryOf = async (mail: OutboundMail) =>
      /boundary="([^"]+)"/.exec((await composeMail(mail)).toString())?.[1];
    const [one, other] = [
      await boundaryOf(reply),
      await boundaryOf({ ...reply, messageId: 'other@example.org' }),
    ];
    expect(one).toEqual(expect.any(String));
    expect(other).not.toBe(one);
  });

  it('is plain text alone without HTML, and starts a thread without references', async () => {
    const raw = (await composeMail({ ...reply, html: null, inReplyTo: null, references: [] })).toString();
    expect(raw).toMatch(/^Content-Type: text\/plain/m);
    expect(raw).not.toMatch(/^(?:In-Reply-To|References):/m);
  });

  it('ends every line with CRLF and keeps it within 998 bytes', async () => {
    const raw = await composeMail({ ...reply, text: 'x'.repeat(5_000) });
    const lines = raw.toString('latin1').split('\r\n');
    expect(lines.some((line) => /[\r\n]/.test(line))).toBe(false);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(998);
  });

  it.each([
    ['subject', { subject: 'x\r\nBcc: thief@example.com' }],
    ['name', { from: { name: 'x\r\nBcc: thief@example.com', address: 'support@example.org' } }],
    ['address', { to: [{ name: null, address: 'ann@example.net\r\nBcc: thief@example.com' }] }],
    ['id', { inReplyTo: 'a@b>\r\nBcc: thief@example.com\r\nX: <c' }],
  ])('takes no header from a line break in the %s', async (_where, change) => {
    const raw = (await composeMail({ ...reply, ...change })).toString();
    const header = raw.slice(0, raw.indexOf('\r\n\r\n'));
    expect(header).not.toMatch(/^Bcc:/im);
    expect(header).not.toMatch(/^X:/m);
  });
});
