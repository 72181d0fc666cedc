import { customerMail } from './mail';
import {
  setUpTenant,
  startCommandSystem,
  type Answer,
  type CommandSystem,
  type TenantSetUp,
} from './command-system';

let system: CommandSystem;
let acme: TenantSetUp;

beforeAll(async () => {
  system = await startCommandSystem();
  acme = await setUpTenant(system.api);
});

afterAll(() => system?.stop());

async function receive(mail = customerMail()): Promise<string> {
  const path = `/v1/mailboxes/${acme.mailboxId}/messages`;
  return String((await system.api(path, { key: acme.key, mail })).body.conversationId);
}

const act = (
  method: string,
  conversationId: string,
  what: string,
  json: object,
  headers: Record<string, string> = {},
): Promise<Answer> =>
  system.api(`/v1/conversations/${conversationId}/${what}`, { key: acme.key, method, json, headers });

describe('an agent', () => {
  it('assigns, changes status, reads, notes and replies, and each answer says where the conversation is', async () => {
    const id = await receive();
    const { agentId } = acme;
    const steps: [string, string, object, number][] = [
      ['PUT', 'assignee', { assigneeId: agentId }, 200],
      ['POST', 'read', { agentId }, 200],
      ['POST', 'unread', { agentId }, 200],
      ['POST', 'notes', { authorId: agentId, text: 'Ask the warehouse' }, 201],
      ['POST', 'messages', { authorId: agentId, text: 'It is on its way.' }, 201],
      ['PUT', 'status', { status: 'resolved' }, 200],
    ];
    let revision = 1;
    for (const [method, what, json, status] of steps) {
      const answer = await act(method, id, what, json);
      expect([what, answer.status, answer.body.conversationId]).toEqual([what, status, id]);
      expect(answer.headers.get('etag')).toBe(`"${++revision}"`);
      expect(answer.headers.get('x-log-position')).toMatch(/^\d+$/);
    }
  });

  it('who does the same again changes nothing and learns where it stands', async () => {
    const id = await receive();
    const first = await act('PUT', id, 'status', { status: 'pending' });
    const second = await act('PUT', id, 'status', { status: 'pending' });
    expect(second.status).toBe(200);
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(second.headers.get('x-log-position')).toBe(first.headers.get('x-log-position'));
  });

  it('is told the steps that are allowed', async () => {
    const id = await receive();
    await act('PUT', id, 'status', { status: 'spam' });
    const answer = await act('PUT', id, 'status', { status: 'resolved' });
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({ code: 'CONVERSATION_STATUS_REFUSED', allowed: ['open', 'trash'] });
    const assigned = await act('PUT', id, 'assignee', { assigneeId: acme.agentId });
    expect(assigned.body.code).toBe('CONVERSATION_NOT_ASSIGNABLE');
  });

  it.each([
    ['PUT', 'assignee', 'assigneeId', {}],
    ['POST', 'read', 'agentId', {}],
    ['POST', 'unread', 'agentId', {}],
    ['POST', 'notes', 'authorId', { text: 'x' }],
    ['POST', 'messages', 'authorId', { text: 'x' }],
  ])('%s %s needs a user of this tenant who is active', async (method, what, field, rest) => {
    const id = await receive();
    const other = await setUpTenant(system.api);
    for (const userId of [other.agentId, '11111111-1111-5111-8111-111111111111']) {
      const answer = await act(method, id, what, { ...rest, [field]: userId });
      expect(answer.status).toBe(400);
      expect(answer.body.errors).toEqual([{ field, detail: 'is not an active user' }]);
    }
  });
});

describe('a reply', () => {
  it('is in the thread: the answer to it comes into the conversation', async () => {
    const id = await receive(customerMail({ messageId: 'q1@customer.example' }));
    const reply = await act('POST', id, 'messages', {
      authorId: acme.agentId,
      text: 'Yes.',
      html: '<p>Yes.</p>',
    });
    expect(reply.body.conversationId).toBe(id);
    expect(await receive(customerMail({ references: '<q1@customer.example>', inReplyTo: 'x@y' }))).toBe(id);
  });

  it('to a mail without a Message-ID finds its place too', async () => {
    const id = await receive(customerMail({ messageId: null, text: 'nameless' }));
    const reply = await act('POST', id, 'messages', { authorId: acme.agentId, text: 'Yes.' });
    expect(reply.body.conversationId).toBe(id);
  });

  it('with one Idempotency-Key is sent once, whatever happened since', async () => {
    const id = await receive();
    const headers = { 'idempotency-key': 'one-reply-only-000', 'if-match': '"1"' };
    const json = { authorId: acme.agentId, text: 'Once.' };
    const first = await act('POST', id, 'messages', json, headers);
    expect(first.status).toBe(201);
    const second = await act('POST', id, 'messages', json, headers);
    expect([second.status, second.body]).toEqual([first.status, first.body]);
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    expect((await act('POST', id, 'messages', { ...json, text: 'Twice.' }, headers)).status).toBe(422);
  });

  it.each<[object, string]>([
    [{ to: ['not an address'] }, 'to'],
    [{ to: [] }, 'to'],
    [{ cc: Array.from({ length: 101 }, (_, i) => `a${i}@b.example`) }, 'cc'],
    [{ subject: 'two\r\nBcc: x@y.example' }, 'subject'],
    [{ text: '' }, 'text'],
    [{ from: 'ceo@acme.example' }, 'from'],
  ])('with %j is refused by name', async (fields, field) => {
    const id = await receive();
    const answer = await act('POST', id, 'messages', { authorId: acme.agentId, text: 'x', ...fields });
    expect(answer.status).toBe(400);
    expect((answer.body.errors as { field: string }[]).map((error) => error.field)).toEqual([field]);
  });
});

describe('If-Match', () => {
  it('that still holds lets the edit through, and moves on', async () => {
    const id = await receive();
    const answer = await act('PUT', id, 'status', { status: 'pending' }, { 'if-match': '"1"' });
    expect(answer.status).toBe(200);
    const any = await act('PUT', id, 'status', { status: 'open' }, { 'if-match': '*' });
    expect(any.status).toBe(200);
  });

  it.each(['PUT status', 'PUT assignee', 'POST notes', 'POST messages', 'POST read'])(
    'that is stale stops %s and tells what has happened',
    async (route) => {
      const id = await receive();
      await act('PUT', id, 'status', { status: 'pending' });
      const { agentId } = acme;
      const bodies: Record<string, object> = {
        status: { status: 'resolved' },
        assignee: { assigneeId: agentId },
        notes: { authorId: agentId, text: 'x' },
        messages: { authorId: agentId, text: 'x' },
        read: { agentId },
      };
      const [method = '', what = ''] = route.split(' ');
      const answer = await act(method, id, what, bodies[what] ?? {}, { 'if-match': '"1"' });
      expect(answer.status).toBe(412);
      expect(answer.headers.get('etag')).toBe('"2"');
      expect(answer.body).toMatchObject({
        currentRevision: 2,
        changes: [{ type: 'ConversationStatusChanged', revision: 2 }],
      });
    },
  );

  it.each(['1', 'W/"1"', '"a"', ''])('%j is refused by name', async (value) => {
    const answer = await act('PUT', await receive(), 'status', { status: 'pending' }, { 'if-match': value });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([{ field: 'If-Match', detail: expect.any(String) }]);
  });

  it('of two edits at once lets one through', async () => {
    const id = await receive();
    const edit = (status: string) => act('PUT', id, 'status', { status }, { 'if-match': '"1"' });
    const answers = await Promise.all([edit('pending'), edit('resolved')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
  });
});

describe('an Idempotency-Key', () => {
  it('of 100 notes at once adds one', async () => {
    const id = await receive();
    const headers = { 'idempotency-key': 'hundred-notes-at-once' };
    const note = () => act('POST', id, 'notes', { authorId: acme.agentId, text: 'Once' }, headers);
    const answers = await Promise.all(Array.from({ length: 100 }, note));
    const seen = answers.map(({ status, body, headers: sent }) =>
      JSON.stringify([status, body, sent.get('etag'), sent.get('x-log-position')]),
    );
    expect(new Set(seen).size).toBe(1);
    expect(answers[0]?.status).toBe(201);
    expect(answers[0]?.headers.get('etag')).toBe('"2"');
  });

  it('of a command that changed nothing does not change anything later', async () => {
    const id = await receive();
    const headers = { 'idempotency-key': 'changes-nothing-ever' };
    expect((await act('PUT', id, 'status', { status: 'open' }, headers)).status).toBe(200);
    await act('PUT', id, 'status', { status: 'pending' });
    const late = await act('PUT', id, 'status', { status: 'open' }, headers);
    expect(late.status).toBe(200);
    const now = await act('PUT', id, 'status', { status: 'pending' });
    expect(now.headers.get('etag')).toBe('"2"');
  });

  it('answers a retry as it was, though the conversation has moved on', async () => {
    const id = await receive();
    const headers = { 'idempotency-key': 'retry-after-changes-1', 'if-match': '"1"' };
    const first = await act('PUT', id, 'status', { status: 'pending' }, headers);
    await act('PUT', id, 'status', { status: 'open' });
    const second = await act('PUT', id, 'status', { status: 'pending' }, headers);
    expect([second.status, second.body]).toEqual([200, first.body]);
    expect(second.headers.get('etag')).toBe(first.headers.get('etag'));
    expect(second.headers.get('x-log-position')).toBe(first.headers.get('x-log-position'));
    expect((await act('PUT', id, 'status', { status: 'open' }, headers)).status).toBe(422);
  });
});

describe('a conversation that has become part of another', () => {
  async function merged(): Promise<{ alias: string; canonical: string }> {
    const [a, b] = [`a${Math.random()}@m.example`, `b${Math.random()}@m.example`];
    const ids = [
      await receive(customerMail({ messageId: a })),
      await receive(customerMail({ messageId: b })),
    ];
    // A later mail whose References put the one below the other shows that both are one.
    const date = 'Tue, 6 Jan 2026 10:00:00 +0000';
    const canonical = await receive(customerMail({ references: `<${a}> <${b}>`, date }));
    expect(ids).toContain(canonical);
    return { alias: ids.find((id) => id !== canonical) ?? '', canonical };
  }

  it('takes commands under both names', async () => {
    const { alias, canonical } = await merged();
    const answer = await act('PUT', alias, 'status', { status: 'pending' });
    expect(answer.status).toBe(200);
    expect(answer.body.conversationId).toBe(canonical);
    const etag = answer.headers.get('etag') ?? '';
    const stale = await act('PUT', alias, 'status', { status: 'open' }, { 'if-match': '"0"' });
    expect(stale.status).toBe(412);
    const conditional = await act('PUT', alias, 'status', { status: 'open' }, { 'if-match': etag });
    expect(conditional.body.conversationId).toBe(canonical);
    const reply = await act('POST', alias, 'messages', { authorId: acme.agentId, text: 'Hello' });
    expect(reply.body.conversationId).toBe(canonical);
  });
});

describe("another tenant's conversation", () => {
  it.each([
    ['PUT', 'assignee', { assigneeId: null }],
    ['PUT', 'status', { status: 'open' }],
    ['POST', 'read', {}],
    ['POST', 'unread', {}],
    ['POST', 'notes', { text: 'x' }],
    ['POST', 'messages', { text: 'x' }],
  ])('is not found by %s %s', async (method, what, body) => {
    const id = await receive();
    const other = await setUpTenant(system.api);
    const agent = what === 'read' || what === 'unread' ? 'agentId' : 'authorId';
    const json = method === 'PUT' ? body : { ...body, [agent]: other.agentId };
    const answers = [];
    for (const conversationId of [id, '11111111-1111-5111-8111-111111111111', 'x']) {
      const path = `/v1/conversations/${conversationId}/${what}`;
      const answer = await system.api(path, { key: other.key, method, json });
      expect(answer.status).toBe(404);
      answers.push(JSON.stringify({ ...answer.body, instance: '' }));
    }
    expect(new Set(answers).size).toBe(1);
  });
});
