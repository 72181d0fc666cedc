import { z } from 'zod';
import { DemoClient } from './demo-client';
import { expectEqual } from './demo-expectation';
import { conversationPage, mailOf, messageList, type SampleMails } from './demo-mail-steps';
import { sample } from './demo-sample';
import type { System } from './system';

export interface DemoTeam {
  readonly apiKey: string;
  readonly mailboxId: string;
  readonly adaId: string;
  readonly benId: string;
}

const anything = z.looseObject({});

export async function createTeam(system: System): Promise<DemoTeam> {
  const operator = new DemoClient(system.urls, system.secrets.adminKey);
  const tenant = await operator.command(
    'POST /v1/tenants',
    { name: 'Harbour Bikes' },
    { status: 201, shape: z.object({ apiKey: z.string() }) },
  );
  const client = new DemoClient(system.urls, tenant.body.apiKey);
  const user = { status: 201, shape: z.object({ userId: z.uuid() }) };
  const ada = await client.command(
    'POST /v1/users',
    { name: 'Ada', email: 'ada@example.com', role: 'agent' },
    user,
  );
  const ben = await client.command(
    'POST /v1/users',
    { name: 'Ben', email: 'ben@example.com', role: 'agent' },
    user,
  );
  const mailbox = await client.command(
    'POST /v1/mailboxes',
    { name: 'Support', address: 'support@example.com' },
    { status: 201, shape: z.object({ mailboxId: z.uuid() }) },
  );
  return {
    apiKey: tenant.body.apiKey,
    mailboxId: mailbox.body.mailboxId,
    adaId: ada.body.userId,
    benId: ben.body.userId,
  };
}

/** Ada takes the cargo bike, answers, notes and reads; a second agent comes too late with an old ETag. */
export async function workOnConversation(
  client: DemoClient,
  team: DemoTeam,
  mails: SampleMails,
): Promise<string> {
  const id = await conversationOf(client, team.mailboxId, mailOf(mails, sample.cargo).messageId);
  const path = `/v1/conversations/${id}`;
  const etag = (await client.read(path, messageList)).headers.get('etag') ?? '';
  const ifMatch = { 'if-match': etag };
  await client.command(
    `PUT ${path}/assignee`,
    { assigneeId: team.adaId },
    { status: 200, shape: anything },
    ifMatch,
  );
  await client.command(
    `PUT ${path}/assignee`,
    { assigneeId: team.benId },
    { status: 412, shape: anything },
    ifMatch,
  );
  await client.command(
    `POST ${path}/messages`,
    { authorId: team.adaId, text: 'Glad to hear it. Enjoy the ride!\n\nAda, Harbour Bikes\n' },
    { status: 201, shape: anything },
  );
  await client.command(
    `POST ${path}/notes`,
    { authorId: team.adaId, text: 'Repair the doorbell free of charge.' },
    { status: 201, shape: anything },
  );
  await client.command(`POST ${path}/read`, { agentId: team.adaId }, { status: 200, shape: anything });
  return id;
}

export async function checkWork(client: DemoClient, team: DemoTeam, conversationId: string): Promise<void> {
  const { conversation, messages, notes } = (
    await client.read(`/v1/conversations/${conversationId}`, messageList)
  ).body;
  const mailsInIt = Object.values(sample.conversations)[0]?.length ?? 0;
  expectEqual(
    'the conversation',
    {
      assigneeId: conversation.assigneeId,
      status: conversation.status,
      unreadCount: conversation.unreadCount,
      messageCount: conversation.messageCount,
      outbound: messages.filter(({ direction }) => direction === 'outbound').length,
      notes: notes.map(({ text }) => text),
    },
    {
      assigneeId: team.adaId,
      status: 'open',
      unreadCount: 0,
      messageCount: mailsInIt + 1,
      outbound: 1,
      notes: ['Repair the doorbell free of charge.'],
    },
  );
  const inbox = await client.read(`/v1/conversations?assigneeId=${team.adaId}`, conversationPage);
  expectEqual(
    "Ada's inbox",
    inbox.body.items.map(({ id }) => id),
    [conversationId],
  );
  const figures = z.object({
    openConversations: z.number(),
    pendingConversations: z.number(),
    totalUnread: z.number(),
  });
  const stats = await client.read(`/v1/agents/${team.adaId}/stats`, figures);
  expectEqual("Ada's figures", stats.body, { openConversations: 1, pendingConversations: 0, totalUnread: 0 });
}

/** A day of the figures is the day on which the log learned of it, so all of the demo is today's. */
export async function checkAnalytics(client: DemoClient, today: Date): Promise<void> {
  // The demo may run across midnight.
  const yesterday = new Date(today.getTime() - 86_400_000).toISOString().slice(0, 10);
  const tomorrow = new Date(today.getTime() + 86_400_000).toISOString().slice(0, 10);
  await expectFigures(client, [yesterday, tomorrow], { messagesSent: 1, notesAdded: 1, assignments: 1 });
  // Mail counts on the day it was received, not on the day it was imported.
  await expectFigures(client, sample.days, {
    messagesReceived: sample.accepted,
    bouncesReceived: sample.bounces.length,
    autoRepliesReceived: sample.autoReplies.length,
    messagesParked: sample.parked.length,
  });
}

async function expectFigures(
  client: DemoClient,
  [from, to]: readonly [string, string],
  expected: Record<string, number>,
): Promise<void> {
  const figures = await sums(client, from, to);
  const got = Object.fromEntries(Object.keys(expected).map((name) => [name, figures[name]]));
  expectEqual(`figures from ${from} to ${to}`, got, expected);
}

async function sums(client: DemoClient, from: string, to: string): Promise<Record<string, number>> {
  const day = z.object({ day: z.string() }).catchall(z.number());
  const path = `/v1/analytics/daily?from=${from}&to=${to}`;
  const { items } = (await client.read(path, z.object({ items: z.array(day) }))).body;
  const total: Record<string, number> = {};
  for (const { day: _day, ...figures } of items)
    for (const [name, count] of Object.entries(figures)) total[name] = (total[name] ?? 0) + Number(count);
  return total;
}

async function conversationOf(client: DemoClient, mailboxId: string, messageId: string): Promise<string> {
  const list = await client.read(`/v1/conversations?mailboxId=${mailboxId}&limit=200`, conversationPage);
  for (const { id } of list.body.items) {
    const { messages } = (await client.read(`/v1/conversations/${id}`, messageList)).body;
    if (messages.some((message) => message.id === messageId)) return id;
  }
  throw new Error(`No conversation has message ${messageId}`);
}
