import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import { importedMails, mailfold } from './mailfold-process';
import { hasRedisServer } from '../support/redis-server';
import { WholeSystem } from './whole-system';

const threads = 8;
const mailsPerThread = 4;
const mails = threads * mailsPerThread;
const killAfterMails = 12;

/** Short threads, the replies of each in an order of their own. */
function mboxOf(run: string): string {
  const entries: string[] = [];
  for (let thread = 0; thread < threads; thread += 1) {
    const ids = Array.from({ length: mailsPerThread }, (_, n) => `<${run}-${thread}-${n}@example.com>`);
    const order = [...ids.keys()].sort(
      (a, b) => ((a + thread) % mailsPerThread) - ((b + thread) % mailsPerThread),
    );
    for (const n of order) {
      entries.push(
        [
          `From a@example.com Mon Mar  3 08:00:00 2025`,
          `From: Customer ${thread} <customer-${thread}@example.com>`,
          'To: support@example.com',
          `Subject: ${n === 0 ? '' : 'Re: '}Question ${thread} of ${run}`,
          `Date: Mon, 03 Mar 2025 08:0${n}:00 +0000`,
          `Message-ID: ${ids[n]}`,
          ...(n === 0 ? [] : [`References: ${ids.slice(0, n).join(' ')}`]),
          '',
          `Mail ${n} of thread ${thread}. ${'Some words of a question. '.repeat(20)}`,
          '',
          '',
        ].join('\n'),
      );
    }
  }
  return entries.join('');
}

describe('kill -9 of one process during an import', () => {
  let system: WholeSystem;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mf-kill-'));
    system = await WholeSystem.start();
  });
  afterAll(async () => {
    await system?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    'event-store-node',
    'command-api',
    'query-api',
    'projector',
    'reactor',
    'postgres',
    ...(hasRedisServer ? ['redis'] : []),
  ])(
    'loses and doubles nothing when it is %s',
    async (name) => {
      const victim = system.pidOf(name);
      expect(victim).toBeDefined();
      const mailboxId = await system.createMailbox();
      const path = join(folder, `${name}.mbox`);
      writeFileSync(path, mboxOf(name));
      let answered = 0;
      const run = await mailfold(['import', path, '--mailbox', mailboxId], {
        env: system.cliEnvironment,
        onRecord: ({ type }) => {
          if (type === 'mail' && ++answered === killAfterMails) process.kill(victim ?? 0, 'SIGKILL');
        },
      });
      expect(run).toMatchObject({ exitCode: 0 });
      const summary = run.records.at(-1) ?? {};
      expect(summary).toMatchObject({ accepted: mails, duplicate: 0, parked: 0, failed: 0 });
      await eventually(() => {
        const successor = system.pidOf(name);
        expect(successor).toBeDefined();
        expect(successor).not.toBe(victim);
      }, 20_000);

      const position = String(summary['position']);
      const conversations = await system.conversationsOf(mailboxId, position);
      expect(conversations.map(({ messageIds }) => messageIds.length)).toEqual(
        Array.from({ length: threads }, () => mailsPerThread),
      );
      const imported = importedMails(run);
      expect(conversations.flatMap(({ messageIds }) => messageIds).sort()).toEqual(
        imported.map(({ messageId }) => messageId).sort(),
      );
      for (const { messageId, sha256 } of imported)
        expect(await system.rawSha256(messageId, position)).toBe(sha256);
    },
    90_000,
  );

  // Without it the in-process cache serves, which dies with the query API above.
  if (!hasRedisServer)
    it.skip('skipped: no redis-server on PATH, killing it was not tested', () => undefined);
});
