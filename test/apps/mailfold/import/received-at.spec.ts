import { receivedAtOf, receivedAtOfMboxLine } from '../../../../apps/mailfold/import/received-at';

const now = new Date('2026-01-01T00:00:00Z');
const mail = (...lines: string[]): Buffer => Buffer.from([...lines, '', 'body'].join('\n'));

describe('when an imported mail came in', () => {
  it('is the topmost Received field, across its folded lines', () => {
    const raw = mail(
      'Received: from a by b;',
      '\tMon, 3 Mar 2025 10:00:00 +0100 (CET)',
      'Received: from x by a; Mon, 3 Mar 2025 08:00:00 +0000',
      'Date: Sun, 2 Mar 2025 08:00:00 +0000',
    );
    expect(receivedAtOf(raw, now)).toBe('2025-03-03T09:00:00.000Z');
  });

  it('is the Date field where Received cannot be read', () => {
    expect(receivedAtOf(mail('Received: from a by b', 'Date: Sun, 2 Mar 2025 08:00:00 +0000'), now)).toBe(
      '2025-03-02T08:00:00.000Z',
    );
  });

  it.each([
    ['a time in the future', mail('Date: Fri, 2 Jan 2026 00:00:00 +0000')],
    ['no time', mail('Subject: x')],
    ['a Date in the body alone', Buffer.from('Subject: x\n\nDate: Sun, 2 Mar 2025 08:00:00 +0000')],
  ])('is not known for %s', (_name, raw) => expect(receivedAtOf(raw, now)).toBeNull());

  it.each([
    ['From a@example.com Fri Feb 22 23:00:00 2008', '2008-02-22T23:00:00.000Z'],
    ['From a@example.com  Fri Feb  2 23:00:00 2008 +0200', '2008-02-02T21:00:00.000Z'],
    ['From a@example.com Fri Feb 22 23:00:00 PST 2008', '2008-02-22T23:00:00.000Z'],
    ['From a@example.com', null],
  ])('is read from %j', (line, expected) => expect(receivedAtOfMboxLine(line, now)).toBe(expected));
});
