import { parseMail } from '../../../../apps/shared/mail/parse-mail';
import { cpuTimeMs } from '../../../support/cpu-time';

const megabyte = 1024 * 1024;
const line = `${'QUJD'.repeat(19)}\r\n`;
/** How much longer than merely taking the bytes apart into lines. About 3 here; one Blob piece a line, as before, was 30. */
const ratioMax = 10;
const body = line.repeat(Math.floor((20 * megabyte) / line.length));

describe('20 MB', () => {
  it.each([
    ['of a forwarded mail', 'Content-Type: message/rfc822', 1],
    ['of text', 'Content-Type: text/plain', 0],
    ['in base64', 'Content-Type: application/zip\r\nContent-Transfer-Encoding: base64', 1],
    [
      'in quoted-printable',
      'Content-Type: text/csv; name=f\r\nContent-Transfer-Encoding: quoted-printable',
      1,
    ],
  ])(
    '%s are read in a small multiple of what splitting them into lines takes',
    async (_what, header, attachments) => {
      const raw = Buffer.from(`From: a@example.org\r\n${header}\r\n\r\n${body}`);
      const work = async () => {
        const result = await parseMail(raw);
        expect(result.outcome === 'parsed' && result.mail.attachments.length).toBe(attachments);
      };
      const split = () =>
        raw
          .toString('latin1')
          .split('\n')
          .map((text) => Buffer.from(text, 'latin1'));
      // A ratio of two times of one run, the best of each: the load of the machine is in both, its bursts in neither.
      const [reading, splitting] = [Array<number>(), Array<number>()];
      for (let round = 0; round < 3; round++) {
        reading.push(await cpuTimeMs(work));
        splitting.push(await cpuTimeMs(split));
      }
      expect(Math.min(...reading) / Math.min(...splitting)).toBeLessThan(ratioMax);
    },
  );
});
