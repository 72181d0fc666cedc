import { createHash, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { Client } from 'pg';
import { apiKeyHash, formatApiKey } from '../../../apps/shared/http/api-key';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { startTestPostgres, type TestPostgres } from '../../support/postgres';
import { startProcess, type TestProcess } from '../../support/processes';

export type Tier = 'oltp' | 'content' | 'olap';
const tiers: readonly Tier[] = ['oltp', 'content', 'olap'];

/** The names of the columns are the table's own; the rest of a row is filled in. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * The databases a query API reads, filled with plain SQL in place of projectors, so that a test says exactly which rows
 * there are and when a commit is told.
 */
export class ReadSide {
  private constructor(
    readonly postgres: TestPostgres,
    private readonly urls: Readonly<Record<Tier | 'control', string>>,
    private readonly clients: Readonly<Record<Tier | 'control', Client>>,
  ) {}

  /** With generation g1 of each tier, live and at position 0. */
  static async start(): Promise<ReadSide> {
    const postgres = await startTestPostgres({ fsync: 'on' });
    const urls = {} as Record<Tier | 'control', string>;
    const clients = {} as Record<Tier | 'control', Client>;
    for (const name of ['control', ...tiers] as const) {
      urls[name] = await postgres.createDatabase();
    }
    await migrate(urls.control, 'control');
    for (const name of ['control', ...tiers] as const) {
      clients[name] = await connected(urls[name]);
    }
    const side = new ReadSide(postgres, urls, clients);
    for (const tier of tiers) {
      await side.createGeneration(tier, 1);
      await side.query(
        'control',
        `insert into pointers (tier, slot_from, slot_to, generation) values ($1, 0, 4095, 1)`,
        [tier],
      );
    }
    return side;
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.clients).map((client) => client.end().catch(() => undefined)));
    await this.postgres.stop();
  }

  /** After the server came back: the sessions of before are gone. */
  async reconnect(): Promise<void> {
    for (const name of ['control', ...tiers] as const) {
      (this.clients as Record<string, Client>)[name] = await connected(this.urls[name]);
    }
  }

  urlOf(name: Tier | 'control'): string {
    return this.urls[name];
  }

  get environment(): Record<string, string> {
    return {
      QUERY_API_PORT: '0',
      CONTROL_DATABASE_URL: this.urls.control,
      OLTP_DATABASE_URL: this.urls.oltp,
      CONTENT_DATABASE_URL: this.urls.content,
      OLAP_DATABASE_URL: this.urls.olap,
    };
  }

  async query<R extends object>(name: Tier | 'control', sql: string, values: unknown[] = []): Promise<R[]> {
    return (await this.clients[name].query<R>(sql, values)).rows;
  }

  async insert(tier: Tier, table: string, row: Row, generation = 1): Promise<void> {
    const columns = Object.keys({ slot: 0, log_position: 0, ...row });
    const values = Object.values({ slot: 0, log_position: 0, ...row });
    await this.query(
      tier,
      `insert into g${generation}.${table} (${columns.join(', ')}) values (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
      values,
    );
  }

  async createGeneration(tier: Tier, generation: number, position = 0): Promise<void> {
    const schema = `g${generation}`;
    await migrate(this.urls[tier], tier, { schema });
    await this.query('control', `insert into generations values ($1, $2, 'tailing', 'test')`, [
      tier,
      generation,
    ]);
    await this.query(
      'control',
      `insert into generation_targets values ($1, $2, 0, upper($1) || '_DATABASE_URL', $3)`,
      [tier, generation, schema],
    );
    await this.query(
      tier,
      `insert into ${schema}.checkpoints (lane, slot_from, slot_to, commit_position) values (0, 0, 4095, $1)`,
      [position],
    );
  }

  async switchPointer(tier: Tier, generation: number): Promise<void> {
    await this.query(
      'control',
      `update pointers set previous_generation = generation, generation = $2, epoch = epoch + 1 where tier = $1`,
      [tier, generation],
    );
  }

  /** What a lane does at commit: rows, checkpoint and notice in one transaction. */
  async commit(
    tier: Tier,
    position: number,
    tenants: readonly string[],
    {
      rows = [],
      generation = 1,
      silent = false,
    }: { rows?: readonly string[]; generation?: number; silent?: boolean } = {},
  ): Promise<void> {
    await this.query(tier, 'begin');
    for (const sql of rows) await this.query(tier, sql);
    await this.query(tier, `update g${generation}.checkpoints set commit_position = $1, updated_at = now()`, [
      position,
    ]);
    if (!silent) {
      await this.query(tier, `select pg_notify($1, $2)`, [
        `mailfold_${tier}`,
        JSON.stringify({ schema: `g${generation}`, lane: 0, position: String(position), tenants }),
      ]);
    }
    await this.query(tier, 'commit');
  }
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly bytes: Buffer;
  readonly json: Body;
}

export interface Item {
  readonly id: string;
  readonly subject: string;
  readonly receivedAt: string;
  readonly text: string;
  readonly [field: string]: unknown;
}

/** Of all routes together; a test reads what its route has. */
export interface Body {
  readonly items: readonly Item[];
  readonly messages: readonly Item[];
  readonly notes: readonly Item[];
  readonly nextCursor: string | null;
  readonly conversation: Item;
  readonly tiers: readonly Item[];
  readonly errors?: readonly { readonly field: string }[];
  readonly [field: string]: unknown;
}

export class QueryApi {
  private constructor(readonly process: TestProcess) {}

  static async start(side: ReadSide, env: Record<string, string> = {}): Promise<QueryApi> {
    return new QueryApi(
      await startProcess('apps/query-api/main.js', {
        env: { ...side.environment, LOG_LEVEL: 'info', ...env },
      }),
    );
  }

  async get(path: string, key?: string, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.process.port}${path}`, {
      headers: { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...headers },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString('utf8');
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      bytes,
      json: (isJson ? JSON.parse(text) : {}) as Body,
    };
  }

  /** Sends a request and goes away after `afterMs`, answered or not. */
  async abandon(path: string, key: string, afterMs: number): Promise<void> {
    await fetch(`http://127.0.0.1:${this.process.port}${path}`, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(afterMs),
    }).then(
      (response) => response.text().catch(() => ''),
      () => '',
    );
  }
}

export interface SeededTenant {
  readonly tenantId: string;
  readonly key: string;
  readonly canary: string;
  readonly agentId: string;
  readonly mailboxId: string;
  readonly conversationId: string;
  readonly aliasId: string;
  readonly messageId: string;
  readonly attachmentId: string;
  readonly parkedMessageId: string;
}

export const seededAt = '2026-11-20T10:00:00.000Z';
export const seededRaw = Buffer.from('From: a@b.example\r\nSubject: raw \xe9\r\n\r\nbytes\r\n', 'latin1');
export const seededHtml =
  '<p onclick="x()">Hi <script>steal()</script><img src="https://tracker.example/1.png"><img src="cid:logo@x"></p>';

/** One of everything, each text holding the tenant's canary, so that a leak shows in any answer. */
export async function seedTenant(side: ReadSide, generation = 1): Promise<SeededTenant> {
  const tenantId = randomUUID();
  const secret = createHash('sha256').update(tenantId).digest();
  const canary = `canary-${tenantId.slice(0, 8)}`;
  const ids = {
    agentId: randomUUID(),
    mailboxId: randomUUID(),
    conversationId: randomUUID(),
    aliasId: randomUUID(),
    messageId: randomUUID(),
    attachmentId: randomUUID(),
    parkedMessageId: randomUUID(),
  };
  const tenant: SeededTenant = { tenantId, key: formatApiKey({ tenantId, secret }), canary, ...ids };
  const oltp = (table: string, row: Row): Promise<void> =>
    side.insert('oltp', table, { tenant_id: tenantId, ...row }, generation);
  await oltp('api_keys', { id: randomUUID(), name: 'key', key_hash: apiKeyHash(secret), created: seededAt });
  await oltp('users', {
    id: ids.agentId,
    name: canary,
    email: `${canary}@x.example`,
    role: 'agent',
    status: 'active',
    created: seededAt,
    updated: seededAt,
  });
  await oltp('mailboxes', {
    id: ids.mailboxId,
    name: canary,
    address: `${canary}@in.example`,
    threading_policy: 'references',
    created: seededAt,
    updated: seededAt,
  });
  await oltp('conversations', conversationRow(tenant));
  await oltp(
    'conversations',
    conversationRow(tenant, {
      id: ids.aliasId,
      status: 'merged',
      merged_into: ids.conversationId,
      unread_count: 0,
    }),
  );
  await oltp('conversation_notes', {
    conversation_id: ids.conversationId,
    id: randomUUID(),
    author_id: ids.agentId,
    body: `${canary} note`,
    created_at: seededAt,
  });
  await oltp('conversation_reads', {
    conversation_id: ids.conversationId,
    agent_id: ids.agentId,
    seen_count: 1,
    seen_at: seededAt,
  });
  await oltp('agent_inbox_summary', {
    agent_id: ids.agentId,
    slot: 1,
    open_conversations: 1,
    pending_conversations: 2,
    total_unread: 3,
  });
  await oltp('agent_inbox_summary', {
    agent_id: ids.agentId,
    slot: 2,
    open_conversations: 10,
    pending_conversations: 0,
    total_unread: 4,
  });
  await oltp('inbox_message_refs', messageRow(tenant));
  await oltp(
    'inbox_message_refs',
    messageRow(tenant, {
      id: ids.parkedMessageId,
      status: 'parked',
      conversation_id: null,
      content_storage_key: 'parked',
    }),
  );
  await oltp('message_recipients', {
    message_id: ids.messageId,
    ordinal: 0,
    kind: 'from',
    name: canary,
    address: 'a@b.example',
  });
  await oltp('message_recipients', {
    message_id: ids.messageId,
    ordinal: 1,
    kind: 'to',
    name: null,
    address: 'b@b.example',
  });
  await oltp('message_recipients', {
    message_id: ids.messageId,
    ordinal: 2,
    kind: 'cc',
    name: null,
    address: 'c@b.example',
  });
  await seedContent(side, tenant, generation);
  await side.insert('olap', 'daily_analytics', analyticsRow(tenant, '2026-11-20', ids.mailboxId), generation);
  await side.insert('olap', 'daily_analytics', analyticsRow(tenant, '2026-11-20', randomUUID()), generation);
  return tenant;
}

async function seedContent(side: ReadSide, tenant: SeededTenant, generation: number): Promise<void> {
  const { tenantId, messageId, parkedMessageId, attachmentId, canary } = tenant;
  const content = {
    tenant_id: tenantId,
    content_raw: gzipSync(seededRaw),
    headers: JSON.stringify([{ name: 'Subject', value: canary }]),
    raw_size_bytes: seededRaw.length,
    raw_sha256: createHash('sha256').update(seededRaw).digest('hex'),
    compression_type: 'gzip',
    parser_version: 1,
    created: seededAt,
    archived: false,
  };
  await side.insert(
    'content',
    'content_objects',
    {
      ...content,
      storage_key: `k-${messageId}`,
      message_id: messageId,
      content_text: gzipSync(`${canary} text`),
      content_html: gzipSync(seededHtml),
    },
    generation,
  );
  await side.insert(
    'content',
    'content_objects',
    {
      ...content,
      storage_key: 'parked',
      message_id: parkedMessageId,
      headers: '[]',
      parked_reason: 'not-mime',
    },
    generation,
  );
  await side.insert(
    'content',
    'attachments',
    {
      tenant_id: tenantId,
      id: attachmentId,
      parent_storage_key: `k-${messageId}`,
      ordinal: 0,
      filename: 'a\r\nSet-Cookie: x=1\u202egpj."exe"',
      mime_type: 'image/svg+xml',
      size_bytes: 5,
      content: Buffer.from('<svg>'),
      content_sha256: createHash('sha256').update('<svg>').digest('hex'),
      content_id: 'logo@x',
      storage_disposition: 'inline',
      created: seededAt,
    },
    generation,
  );
}

export function conversationRow(tenant: SeededTenant, overrides: Row = {}): Row {
  return {
    tenant_id: tenant.tenantId,
    id: tenant.conversationId,
    email_account_id: tenant.mailboxId,
    subject: `${tenant.canary} subject`,
    status: 'open',
    assigned_agent_id: tenant.agentId,
    unread_count: 1,
    message_count: 1,
    unread_message_ids: '[]',
    last_from: 'a@b.example',
    preview: 'preview',
    last_message_at: seededAt,
    created_at: seededAt,
    updated_at: seededAt,
    stream_revision: 7,
    ...overrides,
  };
}

export function messageRow(tenant: SeededTenant, overrides: Row = {}): Row {
  return {
    tenant_id: tenant.tenantId,
    id: tenant.messageId,
    email_account_id: tenant.mailboxId,
    conversation_id: tenant.conversationId,
    direction: 'inbound',
    message_type: 'email',
    from_email: 'a@b.example',
    to_email: 'b@b.example',
    subject: `${tenant.canary} subject`,
    status: 'received',
    preview: 'preview',
    attachment_count: 1,
    thread_node_id: tenant.messageId,
    content_storage_key: `k-${tenant.messageId}`,
    processed: seededAt,
    created: seededAt,
    updated: seededAt,
    stream_revision: 1,
    ...overrides,
  };
}

function analyticsRow({ tenantId }: SeededTenant, day: string, mailboxId: string): Row {
  return {
    tenant_id: tenantId,
    day,
    email_account_id: mailboxId,
    messages_received: 5,
    messages_sent: 1,
    bounces_received: 0,
    auto_replies_received: 0,
    messages_parked: 0,
    bytes_received: 1000,
    conversations_opened: 2,
    conversations_resolved: 1,
    conversations_merged: 0,
    notes_added: 1,
    assignments: 1,
  };
}
