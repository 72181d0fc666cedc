import { MailAddress, parseMail } from '../../../../apps/shared/mail/parse-mail';
import { describeWithCorpus } from '../../../support/mail-corpus';

// The parts of the other parser's JSON that are compared.
interface ExpectedAddress {
  name: string | null;
  address: string | null;
}
interface ExpectedValue {
  Text?: string;
  Address?: { List?: ExpectedAddress[]; Group?: { addresses: ExpectedAddress[] }[] };
  DateTime?: Record<
    'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'tz_hour' | 'tz_minute',
    number
  > & {
    tz_before_gmt: boolean;
  };
}
interface Expectation {
  parts: { headers: { name: string; value: ExpectedValue }[] }[];
}

describeWithCorpus('the mails of another parser', (corpus) => {
  const folder = 'mime/stalwart-mail-parser/';
  const mails = [...corpus.messages(folder)].map(({ path }) => path.slice(folder.length));

  it('are there', () => expect(mails).toHaveLength(25));

  it.each(mails)('%s: subject, addresses and time agree', async (path) => {
    const result = await parseMail(corpus.read(folder + path));
    if (result.outcome === 'parked') throw new Error(result.reason);
    const { mail } = result;
    const json = JSON.parse(corpus.read(folder + path.replace('.eml', '.json')).toString()) as Expectation;
    const expected = (name: string) => json.parts[0]?.headers.find((header) => header.name === name)?.value;
    expect({ from: mail.from, to: mail.to, cc: mail.cc, subject: mail.subject, sentAt: mail.sentAt }).toEqual(
      {
        from: addresses(expected('from')),
        to: addresses(expected('to')),
        cc: addresses(expected('cc')),
        subject: expected('subject')?.Text ?? '',
        // Two mails have a Date that says "Whenever" or nothing; both readers find none.
        sentAt: instant(expected('date')),
      },
    );
  });
});

/** A name without an address is kept in the headers alone: nothing can be sent to it. */
function addresses(value: ExpectedValue | undefined): MailAddress[] {
  const list = value?.Address?.List ?? value?.Address?.Group?.flatMap((group) => group.addresses) ?? [];
  return list.flatMap(({ name, address }) => (address === null ? [] : [{ name: name ?? null, address }]));
}

function instant(value: ExpectedValue | undefined): string | null {
  if (value?.DateTime === undefined) return null;
  const { year, month, day, hour, minute, second, tz_hour, tz_minute, tz_before_gmt } = value.DateTime;
  const offsetMinutes = (tz_before_gmt ? -1 : 1) * (tz_hour * 60 + tz_minute);
  return new Date(Date.UTC(year, month - 1, day, hour, minute - offsetMinutes, second)).toISOString();
}
