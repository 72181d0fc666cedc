import { createHash } from 'node:crypto';
import { z } from 'zod';
import { runMailfold } from './demo-cli';
import { DemoClient } from './demo-client';
import { expectEqual } from './demo-expectation';
import { sample, samplePath } from './demo-sample';
import type { System } from './system';

const importedMail = z.object({
  type: z.literal('mail'),
  name: z.string(),
  sha256: z.string(),
  outcome: z.string(),
  messageId: z.uuid(),
  reason: z.string().optional(),
});
type ImportedMail = z.infer<typeof importedMail>;

export const messageList = z.object({
  conversation: z.object({
    id: z.uuid(),
    status: z.string(),
    assigneeId: z.uuid().nullable(),
    unreadCount: z.number(),
    messageCount: z.number(),
  }),
  messages: z.array(
    z.object({
      id: z.uuid(),
      direction: z.string(),
      messageType: z.string(),
      parentMessageId: z.uuid().nullable(),
    }),
  ),
  notes: z.array(z.object({ text: z.string() })),
});
export const conversationPage = z.object({
  items: z.array(z.object({ id: z.uuid(), subject: z.string(), messageCount: z.number() })),
  nextCursor: z.string().nullable(),
});
const messageContent = z.object({
  message: z.object({ rawSha256: z.string(), parkedReason: z.string().nullable() }),
  text: z.string().nullable(),
  html: z.string().nullable(),
  attachments: z.array(z.object({ filename: z.string().nullable(), mimeType: z.string(), url: z.string() })),
});

/** The sample's mails by their place in the file, counted from 1. */
export type SampleMails = ReadonlyMap<number, ImportedMail>;

export async function importSample(
  system: System,
  tenant: { apiKey: string; mailboxId: string },
  client: DemoClient,
  signal: AbortSignal,
): Promise<SampleMails> {
  const env = { ...system.environment, MAILFOLD_API_KEY: tenant.apiKey };
  const records = await runMailfold(['import', samplePath(), '--mailbox', tenant.mailboxId], env, signal);
  const summary = records.at(-1);
  const { accepted, duplicate, parked, failed, position } = summary ?? {};
  expectEqual(
    'the summary of the import',
    { accepted, duplicate, parked, failed },
    {
      accepted: sample.accepted,
      duplicate: sample.duplicates.length,
      parked: sample.parked.length,
      failed: 0,
    },
  );
  client.seen(z.string().parse(position));
  const mails = z
    .array(importedMail)
    .parse(records.slice(0, -1))
    .sort((a, b) => offsetOf(a) - offsetOf(b));
  expectEqual('the mails imported', mails.length, sample.mails);
  return new Map(mails.map((mail, index) => [index + 1, mail]));
}

function offsetOf({ name }: ImportedMail): number {
  return Number(name.slice(name.lastIndexOf('#') + 1));
}

/** Compares the conversations of the mailbox, each as the set of its mails, with those the sample must give. */
export async function checkConversations(
  client: DemoClient,
  mailboxId: string,
  mails: SampleMails,
): Promise<void> {
  const numberOf = new Map([...mails].reverse().map(([number, { messageId }]) => [messageId, number]));
  for (const [first, second] of sample.duplicates)
    expectEqual(
      `the message of mail ${second}`,
      mailOf(mails, second).messageId,
      mailOf(mails, first).messageId,
    );
  const { body } = await client.read(`/v1/conversations?mailboxId=${mailboxId}&limit=200`, conversationPage);
  const found: number[][] = [];
  const types = new Map<string, number[]>();
  for (const { id } of body.items) {
    const { messages } = (await client.read(`/v1/conversations/${id}`, messageList)).body;
    found.push(messages.map((message) => numberOf.get(message.id) ?? 0).sort((a, b) => a - b));
    for (const { id: messageId, messageType } of messages)
      types.set(messageType, [...(types.get(messageType) ?? []), numberOf.get(messageId) ?? 0]);
  }
  expectEqual('the conversations', inOrder(found), inOrder(Object.values(sample.conversations)));
  expectEqual('the bounces', types.get('bounce'), sample.bounces);
  expectEqual('the automatic replies', types.get('auto_reply'), sample.autoReplies);
}

export function mailOf(mails: SampleMails, number: number): ImportedMail {
  const mail = mails.get(number);
  if (!mail) throw new Error(`The sample has no mail ${number}`);
  return mail;
}

function inOrder(conversations: readonly (readonly number[])[]): (readonly number[])[] {
  return [...conversations].sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
}

/** What was received comes back byte for byte, and what is shown of it does no harm. */
export async function checkContent(client: DemoClient, mails: SampleMails): Promise<void> {
  for (const { messageId, sha256, name } of mails.values()) {
    if (name === mailOf(mails, 6).name || name === mailOf(mails, 1).name) continue;
    const { body } = await client.readBytes(`/v1/messages/${messageId}/raw`);
    expectEqual(`the raw bytes of ${name}`, createHash('sha256').update(body).digest('hex'), sha256);
  }
  const { html } = await contentOf(client, mailOf(mails, sample.brake));
  const dangers = ['<script', 'javascript:', 'onload', '@import', ' src="http'];
  expectEqual(
    'the dangers left in the HTML',
    dangers.filter((danger) => html?.includes(danger) !== false),
    [],
  );
  expectEqual('the harmless part of the HTML', html?.includes('<b>brake recall</b>'), true);

  const { attachments } = await contentOf(client, mailOf(mails, sample.invoice));
  expectEqual(
    'the attachments',
    attachments.map(({ filename }) => filename),
    ['invoice-2210.pdf'],
  );
  const { body, headers } = await client.readBytes(attachments[0]?.url ?? '');
  expectEqual('the first bytes of the attachment', body.toString('latin1', 0, 8), '%PDF-1.4');
  expectEqual('its disposition', headers.get('content-disposition')?.startsWith('attachment'), true);

  for (const number of sample.parked) {
    const { message } = await contentOf(client, mailOf(mails, number));
    expectEqual(`why mail ${number} is parked`, message.parkedReason, 'not-mime');
  }
}

async function contentOf(
  client: DemoClient,
  { messageId }: ImportedMail,
): Promise<z.infer<typeof messageContent>> {
  return (await client.read(`/v1/messages/${messageId}`, messageContent)).body;
}
