import { randomBytes } from 'node:crypto';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import { createKeyRing } from '../../../apps/shared/keys/key-ring';
import { createPool } from '../../../apps/shared/postgres/pool';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { startTestPostgres } from '../../support/postgres';
import { startProcess, type TestProcess } from '../../support/processes';

export const adminKey = 'operator-key-of-the-command-api-tests';

/** The command API as it runs: its own process over an event store node, over PostgreSQL. */
export interface CommandSystem {
  readonly api: ApiClient;
  apiProcess(): TestProcess;
  node(): TestProcess;
  /** Starts the node again, on the port it had. */
  restartNode(): Promise<void>;
  restartApi(): Promise<void>;
  /** The log behind the API, for looking at what it wrote. Closed by `stop`. */
  readonly log: EventStore;
  stop(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export interface CallOptions {
  readonly method?: string;
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly mail?: string | Uint8Array;
}

export type ApiClient = (path: string, options?: CallOptions) => Promise<Answer>;

export async function startCommandSystem(
  variables: Readonly<Record<string, string>> = {},
): Promise<CommandSystem> {
  const postgres = await startTestPostgres();
  const [eventsUrl, keysUrl] = [await postgres.createDatabase(), await postgres.createDatabase()];
  await migrate(keysUrl, 'keys');
  const startNode = (port: number): Promise<TestProcess> =>
    startProcess('apps/event-store-node/main.js', {
      env: { EVENT_STORE_NODE_DATABASE_URL: eventsUrl, EVENT_STORE_NODE_PORT: String(port) },
    });
  const rootKey = randomBytes(32);
  let node = await startNode(0);
  const nodePort = node.port ?? 0;
  const startApi = (port: number): Promise<TestProcess> =>
    startProcess('apps/command-api/main.js', {
      env: {
        EVENTSTORE_URL: `esdb://127.0.0.1:${nodePort}?tls=false`,
        KEYS_DATABASE_URL: keysUrl,
        MAILFOLD_ADMIN_KEY: adminKey,
        MAILFOLD_ROOT_KEY: rootKey.toString('base64'),
        COMMAND_API_PORT: String(port),
        ...variables,
      },
    });
  let api = await startApi(0);
  const apiPort = api.port ?? 0;
  const keysPool = createPool(keysUrl, {
    applicationName: 'test',
    maxConnections: 2,
    statementTimeoutMs: 5_000,
    queryTimeoutMs: 5_000,
    connectionTimeoutMs: 5_000,
  });
  const log = createEventStore({
    url: `esdb://127.0.0.1:${nodePort}?tls=false`,
    keys: createKeyRing({ pool: keysPool, rootKey }),
  });
  return {
    log,
    api: (path, options) => call(`http://127.0.0.1:${apiPort}${path}`, options),
    apiProcess: () => api,
    node: () => node,
    restartNode: async () => void (node = await startNode(nodePort)),
    restartApi: async () => void (api = await startApi(apiPort)),
    stop: async () => {
      await log.close();
      await keysPool.end();
      await api.stop();
      await node.stop();
      await postgres.stop();
    },
  };
}

async function call(url: string, options: CallOptions = {}): Promise<Answer> {
  const { key, json, mail } = options;
  const hasBody = json !== undefined || mail !== undefined;
  const response = await fetch(url, {
    method: options.method ?? (hasBody ? 'POST' : 'GET'),
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(mail === undefined ? {} : { 'content-type': 'message/rfc822' }),
      ...options.headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...(mail === undefined ? {} : { body: mail as NonNullable<RequestInit['body']> }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parsed(text) };
}

function parsed(text: string): Record<string, unknown> {
  return text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text };
}

/** A tenant with a mailbox and an agent: where most tests start. */
export interface TenantSetUp {
  readonly tenantId: string;
  readonly key: string;
  readonly mailboxId: string;
  readonly agentId: string;
}

export async function setUpTenant(api: ApiClient): Promise<TenantSetUp> {
  const tenant = await api('/v1/tenants', { key: adminKey, json: { name: 'Acme' } });
  const key = String(tenant.body.apiKey);
  const mailbox = await api('/v1/mailboxes', {
    key,
    json: { name: 'Support', address: 'support@acme.example' },
  });
  const user = await api('/v1/users', {
    key,
    json: { name: 'Ana', email: 'ana@acme.example', role: 'agent' },
  });
  return {
    tenantId: String(tenant.body.tenantId),
    key,
    mailboxId: String(mailbox.body.mailboxId),
    agentId: String(user.body.userId),
  };
}
