import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { readContent } from '../../../apps/command-api/message/mail-content';
import { splitMbox } from '../../../apps/shared/mail/split-mbox';
import type { ThreadingPolicy } from '../../../domain/mailbox/mailbox.events';
import { streamName } from '../../../domain/stream-name';
import { describeWithCorpus, type CorpusFile } from '../../support/mail-corpus';
import { setUpTenant, startCommandSystem, type CommandSystem, type TenantSetUp } from './command-system';

const parallelMax = 4;

describeWithCorpus('the mail corpus through the API', (corpus) => {
  let system: CommandSystem;

  beforeAll(async () => {
    system = await startCommandSystem();
  });

  afterAll(() => system?.stop());

  it.each(['mime/', 'threads/', 'bounces/'])(
    '%s: every file has an outcome, and what was taken in comes back byte for byte',
    async (folder) => {
      // A tenant of its own, since folders share Message-IDs on purpose.
      const tenant = await setUpTenant(system.api);
      const files = [...corpus.messages(folder)];
      const outcomes: Record<string, number> = {};
      for (let from = 0; from < files.length; from += parallelMax) {
        const batch = files.slice(from, from + parallelMax);
        for (const outcome of await Promise.all(batch.map((file) => takeIn(tenant, file)))) {
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        }
      }
      expect(files.length).toBeGreaterThan(20);
      expect(outcomes.parked ?? 0).toBeLessThan(files.length * 0.02);
      expect((await system.api('/healthz')).status).toBe(200);
    },
    180_000,
  );

  it.each<[string, ThreadingPolicy, number[][]]>([
    ['thread.mbox', 'references', [[1], [2, 3]]],
    ['thread3.mbox', 'references', [[1, 2]]],
    ['thread4.mbox', 'references-and-subject', [[1, 2]]],
  ])('%s by %s gives the conversations of its expected tree', async (name, threadingPolicy, expected) => {
    const tenant = await setUpTenant(system.api);
    const policyPath = `/v1/mailboxes/${tenant.mailboxId}/threading-policy`;
    await system.api(policyPath, { key: tenant.key, method: 'PUT', json: { threadingPolicy } });
    const mails: Uint8Array[] = [];
    for await (const { raw } of splitMbox(Readable.from([corpus.read(`threads/imaptest/${name}`)])))
      mails.push(raw);
    const send = async (mail: Uint8Array) =>
      (await system.api(`/v1/mailboxes/${tenant.mailboxId}/messages`, { key: tenant.key, mail })).body;
    for (const mail of mails) await send(mail);

    const numbersByConversation = new Map<string, number[]>();
    for (const [i, mail] of mails.entries()) {
      // Sent again, each is a duplicate and says where it has ended up.
      const { outcome, conversationId } = await send(mail);
      expect(outcome).toBe('duplicate');
      const numbers = numbersByConversation.get(String(conversationId)) ?? [];
      numbersByConversation.set(String(conversationId), [...numbers, i + 1]);
    }
    expect([...numbersByConversation.values()]).toEqual(expected);
  });

  async function takeIn(tenant: TenantSetUp, { path, bytes }: CorpusFile): Promise<string> {
    const { status, body } = await system.api(`/v1/mailboxes/${tenant.mailboxId}/messages`, {
      key: tenant.key,
      mail: bytes,
    });
    const outcome = String(body.outcome);
    expect([path, status, outcome]).toEqual([
      path,
      { accepted: 201, duplicate: 200, parked: 202 }[outcome],
      outcome,
    ]);
    if (outcome === 'parked') expect(body.reason).toEqual(expect.any(String));
    if (outcome !== 'duplicate')
      expect([path, await storedSha256(tenant, body)]).toEqual([path, sha256(bytes)]);
    return outcome;
  }

  async function storedSha256(
    { tenantId }: TenantSetUp,
    { messageId }: Record<string, unknown>,
  ): Promise<string> {
    const { events } = await system.log.readStream(streamName('message', tenantId, String(messageId)));
    const fact = events.at(-1);
    if (fact?.type !== 'MessageReceived' && fact?.type !== 'MessageParked') throw new Error('no fact');
    return sha256(await readContent(system.log, fact.data.content, events));
  }
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
