import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** How much longer than merely taking the bytes apart into lines. About 3; with one Blob piece a line it was 30. */
const ratioMax = 10;

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
      const script = join(__dirname, '../../../support/parse-speed.cjs');
      const { stdout } = await run(process.execPath, [script, header]);
      const measured = JSON.parse(stdout) as { attachments: number; ratio: number };
      expect(measured.attachments).toBe(attachments);
      expect(measured.ratio).toBeLessThan(ratioMax);
    },
  );
});
