import { randomBytes } from 'node:crypto';
import { customerMail } from './mail';
import { setUpTenant, startCommandSystem, type CommandSystem, type TenantSetUp } from './command-system';

const messageBytesMax = 25 * 1024 * 1024;

let system: CommandSystem;
let acme: TenantSetUp;

beforeAll(async () => {
  system = await startCommandSystem();
  acme = await setUpTenant(system.api);
});

afterAll(() => system?.stop());

const send = (mail: string | Uint8Array, headers: Record<string, string> = {}, tenant = acme) =>
  system.api(`/v1/mailboxes/${tenant.mailboxId}/messages`, { key: tenant.key, mail, headers });

describe('a mail', () => {
  it('is accepted, and answered with its conversation', async () => {
    const answer = await send(customerMail());
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({
      outcome: 'accepted',
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      conversationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(answer.headers.get('x-log-position')).toMatch(/^\d+$/);
    expect(answer.headers.get('etag')).toBe('"1"');
  });

  it('that comes again over another way is a duplicate', async () => {
    const messageId = 'twice@customer.example';
    const first = await send(customerMail({ messageId, received: 'by a.example' }));
    const second = await send(customerMail({ messageId, received: 'by b.example' }));
    expect(second.status).toBe(200);
    expect(second.body).toEqual({ ...first.body, outcome: 'duplicate' });
    expect(second.headers.get('x-log-position')).toBe(first.headers.get('x-log-position'));
  });

  it('under the Message-ID of another one is kept apart from it', async () => {
    const messageId = 'reused@customer.example';
    const first = await send(customerMail({ messageId, text: 'one' }));
    const second = await send(customerMail({ messageId, text: 'other' }));
    expect(second.status).toBe(201);
    expect(second.body.messageId).not.toBe(first.body.messageId);
    const again = await send(customerMail({ messageId, text: 'other' }));
    expect(again.status).toBe(200);
    expect(again.body.messageId).toBe(second.body.messageId);
  });

  it('without a Message-ID is known by what it says', async () => {
    const first = await send(customerMail({ messageId: null, text: 'no id' }));
    expect(first.status).toBe(201);
    const second = await send(customerMail({ messageId: null, text: 'no id' }));
    expect(second.status).toBe(200);
    expect(second.body.messageId).toBe(first.body.messageId);
  });

  it('that answers another comes into its conversation, also before it', async () => {
    const answer = await send(customerMail({ messageId: 'child@c.example', inReplyTo: 'parent@c.example' }));
    const question = await send(customerMail({ messageId: 'parent@c.example' }));
    expect(question.body.conversationId).toBe(answer.body.conversationId);
  });

  it('in two mailboxes is two messages', async () => {
    const other = await setUpTenant(system.api);
    const mail = customerMail();
    const [here, there] = [await send(mail), await send(mail, {}, other)];
    expect(there.status).toBe(201);
    expect(there.body.messageId).not.toBe(here.body.messageId);
  });

  it('that cannot be read is parked with the reason, once', async () => {
    const first = await send('this is no mail at all');
    expect(first.status).toBe(202);
    expect(first.body).toEqual({
      outcome: 'parked',
      messageId: expect.any(String),
      reason: 'not-mime',
      detail: expect.any(String),
    });
    expect((await send('this is no mail at all')).body).toEqual(first.body);
  });

  it.each([
    [400_000, 'in its own append'],
    [2_000_000, 'in a stream of its content'],
  ])('of %i random bytes goes %s and is recognised again', async (bytes) => {
    const text = randomBytes(bytes).toString('base64').replace(/.{76}/g, '$&\r\n');
    const mail = customerMail({ text });
    expect((await send(mail)).status).toBe(201);
    expect((await send(mail)).status).toBe(200);
  });

  it('may name the time it came in, in the past', async () => {
    expect((await send(customerMail(), { 'x-received-at': '2020-02-02T10:00:00Z' })).status).toBe(201);
    for (const time of ['yesterday', '2999-01-01T00:00:00Z', '2020-02-02T10:00:00']) {
      const answer = await send(customerMail(), { 'x-received-at': time });
      expect(answer.body.errors).toEqual([{ field: 'X-Received-At', detail: expect.any(String) }]);
      expect(answer.status).toBe(400);
    }
  });
});

describe('an Idempotency-Key', () => {
  it('of 100 requests at once has one effect and one answer', async () => {
    const mail = customerMail();
    const headers = { 'idempotency-key': 'hundred-at-once-mail' };
    const answers = await Promise.all(Array.from({ length: 100 }, () => send(mail, headers)));
    const seen = answers.map(({ status, body, headers: sent }) =>
      JSON.stringify([status, body, sent.get('etag'), sent.get('x-log-position')]),
    );
    expect(new Set(seen).size).toBe(1);
    expect(answers[0]?.status).toBe(201);
  });

  it('answers a retry as the first time, and another mail with 422', async () => {
    const headers = { 'idempotency-key': 'retry-of-one-mail-1' };
    const mail = customerMail();
    const [first, second] = [await send(mail, headers), await send(mail, headers)];
    expect(first.status).toBe(201);
    expect([second.status, second.body]).toEqual([first.status, first.body]);
    expect((await send(customerMail(), headers)).status).toBe(422);
  });
});

describe('bad input', () => {
  const nested = (depth: number) =>
    Array.from(
      { length: depth },
      (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
    ).join('');
  const bombs: [string, () => string | Uint8Array, number][] = [
    ['nesting of 2,000', () => `Message-ID: <n@x>\r\n${nested(2_000)}`, 202],
    ['a header of 10 MB', () => `Message-ID: <h@x>\r\nSubject: ${'a'.repeat(10_000_000)}\r\n\r\nx`, 202],
    ['100,000 headers', () => `${'X-A: b\r\n'.repeat(100_000)}\r\nx`, 202],
    ['50,000 references', () => customerMail({ references: '<a@b> '.repeat(50_000) }), 202],
    ['nested groups', () => customerMail({ extra: `Cc: ${'g:'.repeat(5_000)}` }), 201],
    [
      'bytes of any kind',
      () => Uint8Array.from({ length: 5_000 }, (_, index) => (index * 197 + 131) % 256),
      202,
    ],
    ['zeros', () => new Uint8Array(5_000), 202],
    ['the full size', () => Buffer.from(customerMail({ text: 'x'.repeat(messageBytesMax - 1_000) })), 201],
  ];

  it.each(bombs)('%s neither fails nor ends the process', async (_what, mail, status) => {
    const answer = await send(mail());
    expect({ status: answer.status, reason: answer.body.reason ?? null }).toEqual({
      status,
      reason: status === 202 ? expect.any(String) : null,
    });
    expect((await system.api('/healthz')).status).toBe(200);
  });

  it.each<[string, Uint8Array | string, Record<string, string>, number]>([
    ['empty', '', {}, 400],
    ['over the limit', new Uint8Array(messageBytesMax + 1), {}, 413],
    ['of another type', 'x', { 'content-type': 'application/octet-stream' }, 415],
    ['JSON', '{}', { 'content-type': 'application/json' }, 415],
  ])('a body that is %s answers a problem', async (_what, mail, headers, status) => {
    const answer = await send(mail, headers);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body.status).toBe(status);
  });

  it("another tenant's mailbox, or none, is not found", async () => {
    const other = await setUpTenant(system.api);
    for (const mailboxId of [other.mailboxId, '11111111-1111-5111-8111-111111111111', 'x']) {
      const path = `/v1/mailboxes/${mailboxId}/messages`;
      expect((await system.api(path, { key: acme.key, mail: customerMail() })).status).toBe(404);
    }
  });
});
