import { randomUUID } from 'node:crypto';
import {
  conversationListing,
  type ConversationFilter,
} from '../../../apps/query-api/conversations/list-conversations.query';
import { pageStatement, rowsStatement, type Statement } from '../../../apps/query-api/reading/listing';
import { ReadSide } from './read-side';

let side: ReadSide;
const tenantId = randomUUID();
const mailboxId = randomUUID();
const agentId = randomUUID();

beforeAll(async () => {
  side = await ReadSide.start();
  // 20,000 rows of this tenant and as many of others, in few values per column, as an inbox has them.
  await side.query(
    'oltp',
    `insert into g1.conversations (tenant_id, id, slot, email_account_id, subject, status, assigned_agent_id,
       unread_count, message_count, unread_message_ids, last_from, preview, created_at, updated_at, stream_revision, log_position)
     select case when n % 2 = 0 then $1::uuid else gen_random_uuid() end, gen_random_uuid(), 0,
       case when n % 10 = 0 then $2::uuid else gen_random_uuid() end, 'subject', (array['open','pending','resolved'])[1 + n % 3],
       case n % 8 when 0 then $3::uuid when 4 then null else gen_random_uuid() end,
       0, 1, '[]', 'a@b.example', '', now(), now() - n * interval '1 minute', 0, 0
     from generate_series(1, 40000) n`,
    [tenantId, mailboxId, agentId],
  );
  await side.query('oltp', 'analyze g1.conversations');
});

afterAll(() => side?.stop());

interface Plan {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

const before = { time: '2026-11-01T00:00:00.000000Z', id: randomUUID() };
const part = { schema: 'g1', tenantId, served: () => '' };
const all: ConversationFilter = {
  mailboxId: null,
  assigneeId: null,
  statuses: ['open', 'pending'],
  limit: 50,
  cursor: undefined,
};

describe('a page of the inbox', () => {
  it.each([
    ['all', all, 'conversations_by_activity'],
    ['of a mailbox', { ...all, mailboxId }, 'conversations_by_mailbox'],
    ['of an agent', { ...all, assigneeId: agentId }, 'conversations_by_agent'],
    ['of nobody', { ...all, assigneeId: 'none' }, 'conversations_by_agent'],
    ['of a mailbox with hardly a row', { ...all, mailboxId: randomUUID() }, 'conversations_by_mailbox'],
  ] as const)('%s reads its index in order, 51 rows per status at most', async (_what, filter, index) => {
    for (const place of [null, before]) {
      const scans = await indexScansOf(pageStatement(conversationListing(filter, place), part));
      expect(scans.map((node) => node['Index Name'])).toEqual([index, index]);
      for (const scan of scans) {
        expect(scan['Actual Rows']).toBeLessThanOrEqual(51);
        expect(scan['Rows Removed by Filter'] ?? 0).toBe(0);
      }
    }
  });

  it('reads no more of a copy that serves one slot than of the one that serves the others', async () => {
    const canary = { ...part, served: () => ' and slot between 7 and 7' };
    // Where the page of the others ends: their 51st row.
    const [last] = await side.query<{ time: string; id: string }>(
      'oltp',
      `select to_char(updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time, id from g1.conversations
       where tenant_id = $1 and status in ('open', 'pending') order by updated_at desc, id desc offset 50 limit 1`,
      [tenantId],
    );
    const scans = await indexScansOf(rowsStatement(conversationListing(all, null), canary, last ?? null));
    expect(scans.map((node) => node['Index Name'])).toEqual(Array(2).fill('conversations_by_activity'));
    const looked = scans.map((scan) => scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0));
    expect(looked.reduce((sum, rows) => sum + rows)).toBe(51);
  });
});

async function indexScansOf(statement: Statement): Promise<Plan[]> {
  return nodesOf(await explained(statement)).filter(
    (node) => node['Node Type'].includes('Scan') && node['Index Name'] !== undefined,
  );
}

async function explained({ text, values }: Statement): Promise<Plan> {
  const literals = values.map((value) => (typeof value === 'number' ? String(value) : `'${String(value)}'`));
  await side.query('oltp', 'begin');
  try {
    // As for the unnamed statement of the wire: planned for its values.
    await side.query('oltp', `set local plan_cache_mode = force_custom_plan`);
    await side.query('oltp', 'set local role mailfold_reader');
    await side.query('oltp', `select set_config('app.tenant_id', $1, true)`, [tenantId]);
    await side.query('oltp', `prepare page as ${text}`);
    const [row] = await side.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      'oltp',
      `explain (analyze, format json) execute page(${literals.join(', ')})`,
    );
    if (row === undefined) throw new Error('No plan');
    return row['QUERY PLAN'][0].Plan;
  } finally {
    await side.query('oltp', 'rollback');
    await side.query('oltp', 'deallocate all');
  }
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}
