import { eventually } from '../../support/eventually';
import { customerMail } from './mail';
import {
  setUpTenant,
  startCommandSystem,
  type Answer,
  type CommandSystem,
  type TenantSetUp,
} from './command-system';

/** The store adapter tries for 8 s; what it cannot do by then is answered with 503. */
const answerTimeMaxMs = 20_000;

let system: CommandSystem;
let acme: TenantSetUp;

beforeAll(async () => {
  system = await startCommandSystem();
  acme = await setUpTenant(system.api);
});

afterAll(() => system?.stop());

async function receive(mail = customerMail()): Promise<Answer> {
  return system.api(`/v1/mailboxes/${acme.mailboxId}/messages`, { key: acme.key, mail });
}

function addNote(conversationId: string, key: string): Promise<Answer> {
  return system.api(`/v1/conversations/${conversationId}/notes`, {
    key: acme.key,
    json: { authorId: acme.agentId, text: key },
    headers: { 'idempotency-key': key },
  });
}

async function killNode(): Promise<void> {
  system.node().kill('SIGKILL');
  await system.node().exited;
}

describe('while the log is away', () => {
  it('commands answer 503 in bounded time, the process lives, and goes on afterwards', async () => {
    const conversationId = String((await receive()).body.conversationId);
    await killNode();
    const startedAt = performance.now();
    const answers = await Promise.all([receive(), addNote(conversationId, 'note-while-log-is-away')]);
    expect(performance.now() - startedAt).toBeLessThan(answerTimeMaxMs);
    for (const { status, headers } of answers) {
      expect(status).toBe(503);
      expect(headers.get('retry-after')).toMatch(/^\d+$/);
    }
    expect((await system.api('/healthz')).status).toBe(200);
    expect((await system.api('/readyz')).status).toBe(503);
    await system.restartNode();
    await eventually(async () => expect((await system.api('/readyz')).status).toBe(200));
    expect((await addNote(conversationId, 'note-while-log-is-away')).status).toBe(201);
  });
});

describe('a node that is killed in the middle of writing', () => {
  it.each([1, 2, 3])('leaves one effect per key, once all is retried (round %i)', async (round) => {
    const conversationId = String((await receive()).body.conversationId);
    const keys = Array.from({ length: 40 }, (_, i) => `round-${round}-note-number-${i}`);
    const first = keys.map((key) => addNote(conversationId, key));
    // Some are answered, so the others are under way.
    await Promise.any(first);
    await killNode();
    await system.restartNode();
    const tried = await Promise.all(first);
    for (const { status } of tried) expect([201, 503]).toContain(status);

    const retried = await Promise.all(
      keys.map((key) =>
        eventually(async () => {
          const answer = await addNote(conversationId, key);
          expect(answer.status).toBe(201);
          return answer;
        }),
      ),
    );
    // What was acknowledged before stands where it was acknowledged.
    tried.forEach((answer, i) => {
      if (answer.status === 201) expect(retried[i]?.headers.get('etag')).toBe(answer.headers.get('etag'));
    });
    const revisions = retried.map(({ headers }) => headers.get('etag'));
    expect(new Set(revisions).size).toBe(keys.length);
    expect(revisions).toContain(`"${1 + keys.length}"`);
  });
});

describe('a process that is asked to stop', () => {
  it('finishes the requests in flight and exits 0', async () => {
    const mails = Array.from({ length: 10 }, () => receive());
    // One is answered, so all have arrived.
    await Promise.any(mails);
    const exitCode = system.apiProcess().stop();
    for (const { status } of await Promise.all(mails)) expect(status).toBe(201);
    expect(await exitCode).toBe(0);
    await system.restartApi();
  });
});
