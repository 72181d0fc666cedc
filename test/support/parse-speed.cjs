// Run by test/apps/shared/mail/parse-speed.int.spec.ts in a process of its own: in a test worker the garbage of other tests is
// part of every time. Prints, per kind of mail, how much longer reading it takes than splitting it into lines.
const { parseMail } = require('../../dist/apps/shared/mail/parse-mail.js');

const line = `${'QUJD'.repeat(19)}\r\n`;
const body = line.repeat(Math.floor((20 * 1024 * 1024) / line.length));
const rounds = 3;

async function cpuTimeMs(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

async function measure(header) {
  const raw = Buffer.from(`From: a@example.org\r\n${header}\r\n\r\n${body}`);
  const times = { reading: [], splitting: [] };
  let attachments = 0;
  for (let round = 0; round < rounds; round++) {
    times.reading.push(
      await cpuTimeMs(async () => {
        const result = await parseMail(raw);
        attachments = result.mail.attachments.length;
      }),
    );
    times.splitting.push(
      await cpuTimeMs(() =>
        raw
          .toString('latin1')
          .split('\n')
          .map((text) => Buffer.from(text, 'latin1')),
      ),
    );
  }
  // The best of each: the load of the machine is in both, its bursts in neither.
  return { attachments, ratio: Math.min(...times.reading) / Math.min(...times.splitting) };
}

measure(process.argv[2]).then((measured) => process.stdout.write(JSON.stringify(measured)));
