import { randomUUID } from 'node:crypto';
import { QueryApi } from './query-api';
import { ReadSide } from './read-side';
import {
  conversationRow,
  messageRow,
  seededAt,
  seededRaw,
  seedTenant,
  type SeededTenant,
} from './seeded-tenant';

let side: ReadSide;
let api: QueryApi;
let acme: SeededTenant;
let other: SeededTenant;

beforeAll(async () => {
  side = await ReadSide.start();
  acme = await seedTenant(side);
  other = await seedTenant(side);
  api = await QueryApi.start(side);
});

afterAll(async () => {
  await api?.process.stop();
  await side?.stop();
});

describe('the inbox list', () => {
  it('shows what an agent needs to choose, and never a merged conversation', async () => {
    const { status, json, headers } = await api.get('/v1/conversations', acme.key);
    expect(status).toBe(200);
    expect(json).toEqual({
      items: [
        {
          id: acme.conversationId,
          mailboxId: acme.mailboxId,
          subject: `${acme.canary} subject`,
          status: 'open',
          assigneeId: acme.agentId,
          unreadCount: 1,
          messageCount: 1,
          lastFrom: 'a@b.example',
          preview: 'preview',
          lastMessageAt: seededAt,
          createdAt: seededAt,
          updatedAt: seededAt,
          revision: 7,
        },
      ],
      nextCursor: null,
    });
    expect(headers.get('x-read-model-position')).toBe('0');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it.each([
    ['mailbox', () => `mailboxId=${acme.mailboxId}`, 1],
    ['another mailbox', () => `mailboxId=${randomUUID()}`, 0],
    ['agent, in capitals', () => `assigneeId=${acme.agentId.toUpperCase()}`, 1],
    ['nobody', () => 'assigneeId=none', 0],
    ['status', () => 'status=resolved,spam', 0],
    ['all at once', () => `mailboxId=${acme.mailboxId}&assigneeId=${acme.agentId}&status=open`, 1],
  ])('is filtered by %s', async (_by, query, count) => {
    const { status, json } = await api.get(`/v1/conversations?${query()}`, acme.key);
    expect([status, json.items.length]).toEqual([200, count]);
  });

  it('pages through ties without losing or repeating any, also when rows come and go', async () => {
    const tenant = await seedTenant(side);
    const mailboxId = randomUUID();
    const expected: string[] = [];
    for (let n = 0; n < 23; n++) {
      const id = randomUUID();
      expected.push(id);
      // All at one of two instants, which differ by a microsecond only.
      const updated_at = `2026-11-19T00:00:00.00000${n % 2}Z`;
      const status = n % 3 === 0 ? 'pending' : 'open';
      await side.insert(
        'oltp',
        'conversations',
        conversationRow(tenant, { id, email_account_id: mailboxId, updated_at, status }),
      );
    }
    const seen: string[] = [];
    let cursor: string | null = '';
    for (let pages = 0; cursor !== null && pages < 20; pages++) {
      const path: string = `/v1/conversations?mailboxId=${mailboxId}&limit=4${cursor && `&cursor=${cursor}`}`;
      const { json } = await api.get(path, tenant.key);
      seen.push(...json.items.map(({ id }) => id));
      cursor = json.nextCursor;
      // Something newer arrives meanwhile: it belongs before the first page and must not push anything onto the next.
      const id = randomUUID();
      await side.insert(
        'oltp',
        'conversations',
        conversationRow(tenant, { id, email_account_id: mailboxId, updated_at: seededAt }),
      );
    }
    expect([...seen].sort()).toEqual([...expected].sort());
  });

  it('ends exactly where the rows end', async () => {
    const { json } = await api.get('/v1/conversations?limit=1', acme.key);
    expect(json.nextCursor).toBeNull();
  });
});

describe('a conversation', () => {
  it('comes with messages, notes and read marks, and its revision as ETag', async () => {
    const { status, json, headers } = await api.get(`/v1/conversations/${acme.conversationId}`, acme.key);
    expect(status).toBe(200);
    expect(headers.get('etag')).toBe('"7"');
    expect(headers.get('content-location')).toBeNull();
    expect(json.conversation).toMatchObject({ id: acme.conversationId, status: 'open', revision: 7 });
    expect(json.messages).toEqual([
      {
        id: acme.messageId,
        conversationId: acme.conversationId,
        direction: 'inbound',
        messageType: 'email',
        status: 'received',
        parentMessageId: null,
        from: [{ name: acme.canary, address: 'a@b.example' }],
        to: [{ name: null, address: 'b@b.example' }],
        cc: [{ name: null, address: 'c@b.example' }],
        subject: `${acme.canary} subject`,
        preview: 'preview',
        attachmentCount: 1,
        sentAt: null,
        receivedAt: seededAt,
      },
    ]);
    expect(json.notes).toEqual([
      { id: expect.any(String), authorId: acme.agentId, text: `${acme.canary} note`, createdAt: seededAt },
    ]);
    expect(json['reads']).toEqual([{ agentId: acme.agentId, seenCount: 1, seenAt: seededAt }]);
  });

  it('answers under the name of one that was merged into it, over several merges', async () => {
    const older = randomUUID();
    await side.insert(
      'oltp',
      'conversations',
      conversationRow(acme, { id: older, status: 'merged', merged_into: acme.aliasId }),
    );
    for (const id of [acme.aliasId, older]) {
      const { status, json, headers } = await api.get(`/v1/conversations/${id}`, acme.key);
      expect(status).toBe(200);
      expect(headers.get('content-location')).toBe(`/v1/conversations/${acme.conversationId}`);
      expect(headers.get('etag')).toBe('"7"');
      expect(json.conversation.id).toBe(acme.conversationId);
      expect(json.messages).toHaveLength(1);
    }
  });

  it('is not found, and nothing hangs, when merges lead in a circle', async () => {
    const [one, two] = [randomUUID(), randomUUID()];
    await side.insert(
      'oltp',
      'conversations',
      conversationRow(acme, { id: one, status: 'merged', merged_into: two }),
    );
    await side.insert(
      'oltp',
      'conversations',
      conversationRow(acme, { id: two, status: 'merged', merged_into: one }),
    );
    expect((await api.get(`/v1/conversations/${one}`, acme.key)).status).toBe(404);
  });

  it('shows its messages oldest first, page by page', async () => {
    const tenant = await seedTenant(side);
    for (let n = 0; n < 5; n++) {
      await side.insert(
        'oltp',
        'inbox_message_refs',
        messageRow(tenant, { id: randomUUID(), processed: `2026-11-20T11:00:0${n % 3}.000Z` }),
      );
    }
    const path = `/v1/conversations/${tenant.conversationId}?limit=4`;
    const first = await api.get(path, tenant.key);
    const second = await api.get(`${path}&cursor=${first.json.nextCursor}`, tenant.key);
    const all = [...first.json.messages, ...second.json.messages];
    expect([first.json.messages.length, second.json.messages.length]).toEqual([4, 2]);
    expect(new Set(all.map(({ id }) => id)).size).toBe(6);
    expect(all.map(({ receivedAt }) => receivedAt)).toEqual(all.map(({ receivedAt }) => receivedAt).sort());
    expect(second.json.nextCursor).toBeNull();
  });
});

describe('a message', () => {
  it('is shown as text and as HTML that loads and runs nothing', async () => {
    const { status, json } = await api.get(`/v1/messages/${acme.messageId}`, acme.key);
    expect(status).toBe(200);
    expect(json['text']).toBe(`${acme.canary} text`);
    expect(json['html']).not.toMatch(/script|onclick| src="https/);
    expect(json['html']).toContain('data-remote-src="https://tracker.example/1.png"');
    const url = `/v1/messages/${acme.messageId}/attachments/${acme.attachmentId}`;
    expect(json['html']).toContain(`src="${url}"`);
    expect(json['headers']).toEqual([{ name: 'Subject', value: acme.canary }]);
    expect(json['message']).toMatchObject({
      id: acme.messageId,
      rawSizeBytes: seededRaw.length,
      parkedReason: null,
    });
    expect(json['attachments']).toMatchObject([
      { id: acme.attachmentId, contentId: 'logo@x', sizeBytes: 5, url },
    ]);
  });

  it('comes back byte for byte, and not again when the reader has it', async () => {
    const path = `/v1/messages/${acme.messageId}/raw`;
    const { status, bytes, headers } = await api.get(path, acme.key);
    expect(status).toBe(200);
    expect(bytes.equals(seededRaw)).toBe(true);
    expect(headers.get('content-type')).toBe('message/rfc822');
    expect(headers.get('content-disposition')).toBe(`attachment; filename*=UTF-8''${acme.messageId}.eml`);
    const etag = headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[0-9a-f]{64}"$/);
    expect((await api.get(path, acme.key, { 'if-none-match': etag })).status).toBe(304);
  });

  it('says why it was parked, alone and in the list, and keeps its bytes', async () => {
    const { json } = await api.get(`/v1/messages/${acme.parkedMessageId}`, acme.key);
    expect(json).toMatchObject({
      message: { parkedReason: 'not-mime' },
      text: null,
      html: null,
      attachments: [],
    });
    const list = await api.get('/v1/parked', acme.key);
    expect(list.json).toEqual({
      items: [
        {
          id: acme.parkedMessageId,
          mailboxId: acme.mailboxId,
          receivedAt: seededAt,
          rawUrl: `/v1/messages/${acme.parkedMessageId}/raw`,
          reason: 'not-mime',
          rawSizeBytes: seededRaw.length,
        },
      ],
      nextCursor: null,
    });
    expect(
      (await api.get(`/v1/messages/${acme.parkedMessageId}/raw`, acme.key)).bytes.equals(seededRaw),
    ).toBe(true);
  });

  it('gives an attachment as a download that no browser shows, sniffs, embeds or keeps', async () => {
    const path = `/v1/messages/${acme.messageId}/attachments/${acme.attachmentId}`;
    const { status, headers, text } = await api.get(path, acme.key);
    expect([status, text]).toEqual([200, '<svg>']);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-disposition': "attachment; filename*=UTF-8''aSet-Cookie%3A%20x%3D1gpj.exe",
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    expect(headers.get('set-cookie')).toBeNull();
  });

  it('does not give an attachment of one message under another', async () => {
    const path = `/v1/messages/${acme.parkedMessageId}/attachments/${acme.attachmentId}`;
    expect((await api.get(path, acme.key)).status).toBe(404);
  });
});

describe('figures and directories', () => {
  it('sum an agent over slots', async () => {
    const figures = { openConversations: 11, pendingConversations: 2, totalUnread: 7 };
    const one = await api.get(`/v1/agents/${acme.agentId}/stats`, acme.key);
    expect(one.json).toEqual({ agentId: acme.agentId, name: acme.canary, status: 'active', ...figures });
    const all = await api.get('/v1/agents/stats', acme.key);
    expect(all.json.items).toEqual([one.json]);
  });

  it('show every day of a range, over all mailboxes or of one', async () => {
    const all = await api.get('/v1/analytics/daily?from=2026-11-19&to=2026-11-21', acme.key);
    expect(all.json.items.map((item) => [item.day, item.messagesReceived])).toEqual([
      ['2026-11-19', 0],
      ['2026-11-20', 10],
      ['2026-11-21', 0],
    ]);
    const one = await api.get(
      `/v1/analytics/daily?from=2026-11-20&to=2026-11-20&mailboxId=${acme.mailboxId}`,
      acme.key,
    );
    expect(one.json.items).toEqual([
      {
        day: '2026-11-20',
        messagesReceived: 5,
        messagesSent: 1,
        bouncesReceived: 0,
        autoRepliesReceived: 0,
        messagesParked: 0,
        bytesReceived: 1000,
        conversationsOpened: 2,
        conversationsResolved: 1,
        conversationsMerged: 0,
        notesAdded: 1,
        assignments: 1,
      },
    ]);
  });

  it('list users and mailboxes', async () => {
    const users = await api.get('/v1/users', acme.key);
    expect(users.json.items).toMatchObject([
      { id: acme.agentId, email: `${acme.canary}@x.example`, role: 'agent' },
    ]);
    const mailboxes = await api.get('/v1/mailboxes', acme.key);
    expect(mailboxes.json.items).toMatchObject([{ id: acme.mailboxId, threadingPolicy: 'references' }]);
  });

  it('tell how each tier stands, and which cache is live', async () => {
    const { json } = await api.get('/v1/status', acme.key);
    expect(json.tiers.map(({ tier, state, generations }) => [tier, state, generations])).toEqual([
      ['oltp', 'serving', [1]],
      ['content', 'serving', [1]],
      ['olap', 'serving', [1]],
    ]);
    expect(json['cache']).toEqual({ kind: 'memory', answers: true });
    expect((await api.get('/healthz')).json).toEqual({
      status: 'ok',
      cache: { kind: 'memory', answers: true },
    });
    expect((await api.get('/readyz')).json).toEqual({
      status: 'ready',
      tiers: { oltp: true, content: true, olap: true },
    });
  });
});

describe('a request that is not right', () => {
  it.each([
    ['unknown field', '/v1/conversations?mailbox=1', 'mailbox'],
    ['unknown field of a route without any', '/v1/agents/stats?x=1', 'x'],
    ['no uuid', '/v1/conversations?mailboxId=7', 'mailboxId'],
    ['no uuid in the path', '/v1/conversations/7', 'id'],
    ['unknown status', '/v1/conversations?status=open,merged', 'status'],
    ['no status', '/v1/conversations?status=', 'status'],
    ['limit over 200', '/v1/conversations?limit=201', 'limit'],
    ['limit of words', '/v1/conversations?limit=many', 'limit'],
    ['foreign cursor', '/v1/conversations?cursor=AAAA', 'cursor'],
    [
      'cursor of no day',
      `/v1/conversations?cursor=${Buffer.from('2026-02-31T00:00:00.000000Z|11111111-1111-4111-8111-111111111111').toString('base64url')}`,
      'cursor',
    ],
    ['field given twice', '/v1/conversations?assigneeId=none&assigneeId=none', 'assigneeId'],
    ['no position', '/v1/conversations?after=soon', 'after'],
    ['position over 64 bits', '/v1/conversations?after=18446744073709551616', 'after'],
    ['no day', '/v1/analytics/daily?from=2026-02-30&to=2026-03-01', 'from'],
    ['no range', '/v1/analytics/daily?from=2026-02-01', 'to'],
    ['range backwards', '/v1/analytics/daily?from=2026-02-02&to=2026-02-01', 'to'],
    ['367 days', '/v1/analytics/daily?from=2025-01-01&to=2026-01-02', 'to'],
    ['no uuid of an attachment', `/v1/messages/${randomUUID()}/attachments/x`, 'attachmentId'],
  ])('(%s) is refused by the name of its field', async (_what, path, field) => {
    const { status, json, headers } = await api.get(path, acme.key);
    expect([status, json.errors?.map(({ field: named }) => named)]).toEqual([400, [field]]);
    expect(headers.get('content-type')).toContain('application/problem+json');
  });

  it('is refused for a bad X-Read-After too', async () => {
    const { status, json } = await api.get('/v1/users', acme.key, { 'x-read-after': 'x' });
    expect([status, json.errors?.[0]?.field]).toEqual([400, 'X-Read-After']);
  });

  it('takes exactly 366 days', async () => {
    const { json } = await api.get('/v1/analytics/daily?from=2025-01-01&to=2026-01-01', acme.key);
    expect(json.items).toHaveLength(366);
  });

  it.each([
    ['no key', undefined],
    ['no key of ours', 'hello'],
    ['a key with another secret', () => `${acme.key.slice(0, 40)}AAAA${acme.key.slice(44)}`],
    ['the secret of one tenant under the id of another', () => other.key.slice(0, 36) + acme.key.slice(36)],
  ])('with %s is not let in', async (_what, key) => {
    const { status, headers } = await api.get('/v1/users', typeof key === 'function' ? key() : key);
    expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="mailfold"']);
  });
});

describe('the documentation', () => {
  it('describes every route', async () => {
    const { json } = await api.get('/docs-json');
    expect(Object.keys(json['paths'] as object).sort()).toEqual([
      '/healthz',
      '/readyz',
      '/v1/agents/stats',
      '/v1/agents/{id}/stats',
      '/v1/analytics/daily',
      '/v1/conversations',
      '/v1/conversations/{id}',
      '/v1/mailboxes',
      '/v1/messages/{id}',
      '/v1/messages/{id}/attachments/{attachmentId}',
      '/v1/messages/{id}/raw',
      '/v1/parked',
      '/v1/status',
      '/v1/users',
    ]);
  });
});

it('logs no address, subject or key of anybody', () => {
  const log = api.process.output();
  expect(log).toContain('"route":"/v1/conversations"');
  for (const secret of [acme.canary, acme.key, 'b.example']) expect(log).not.toContain(secret);
});
