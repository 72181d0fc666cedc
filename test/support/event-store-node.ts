import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStoreDBClient, jsonEvent, type AllStreamRecordedEvent } from '@eventstore/db-client';
import { startTestPostgres, type TestPostgres } from './postgres';
import { startProcess, type TestProcess } from './processes';
import { createTestCertificates } from './tls-certificates';

/** The node as its own process over its own database, and a client of it. */
export interface TestNode {
  readonly postgres: TestPostgres;
  readonly databaseUrl: string;
  readonly process: () => TestProcess;
  readonly port: () => number;
  /** For a client, with credentials and CA file where the node is secure. */
  readonly url: () => string;
  /** The authority of a secure node's certificate; `undefined` for an insecure node. */
  readonly caFile: string | undefined;
  /** Connected to the node as it runs now. */
  readonly client: () => EventStoreDBClient;
  /** Starts the node again over the same database, on the same port, after something killed it. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const disposeTimeoutMs = 2_000;
export const nodeMain = 'apps/event-store-node/main.js';

export interface TestNodeOptions {
  /** With TLS under a certificate made for this node, and a password for the user `admin`. */
  readonly secure?: boolean;
}

export async function startTestNode({ secure = false }: TestNodeOptions = {}): Promise<TestNode> {
  const postgres = await startTestPostgres();
  const databaseUrl = await postgres.createDatabase();
  const security = secure ? createSecurityFiles() : undefined;
  const url = (): string =>
    security === undefined ? `esdb://127.0.0.1:${port}?tls=false` : security.url(port);
  const start = (port: number): Promise<TestProcess> =>
    startProcess(nodeMain, {
      env: {
        EVENT_STORE_NODE_DATABASE_URL: databaseUrl,
        EVENT_STORE_NODE_PORT: String(port),
        LOG_LEVEL: 'info',
        ...security?.env,
      },
    });
  let running = await start(0).catch(async (error: unknown) => {
    await postgres.stop();
    security?.remove();
    throw error;
  });
  const port = running.port ?? 0;
  let client = EventStoreDBClient.connectionString(url());
  return {
    postgres,
    databaseUrl,
    process: () => running,
    port: () => port,
    url,
    caFile: security?.caFile,
    client: () => client,
    restart: async () => {
      await running.exited;
      await client.dispose();
      running = await start(port);
      client = EventStoreDBClient.connectionString(url());
    },
    // Whatever a failed test has left behind: none of these may keep the next from being stopped.
    stop: async () => {
      await Promise.allSettled([bounded(client.dispose()), running.stop()]);
      await postgres.stop();
      security?.remove();
    },
  };
}

interface SecurityFiles {
  readonly env: Readonly<Record<string, string>>;
  readonly caFile: string;
  url(port: number): string;
  remove(): void;
}

function createSecurityFiles(): SecurityFiles {
  const folder = mkdtempSync(join(tmpdir(), 'mf-tls-'));
  const { ca, certificate, privateKey } = createTestCertificates();
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const caFile = write('ca.pem', ca);
  const password = randomBytes(12).toString('base64url');
  return {
    env: {
      EVENT_STORE_NODE_TLS_CERTIFICATE_FILE: write('node.pem', certificate),
      EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE: write('node.key', privateKey),
      EVENT_STORE_NODE_PASSWORD: password,
    },
    caFile,
    url: (port) =>
      `esdb://admin:${password}@localhost:${port}?tls=true&tlsCAFile=${encodeURIComponent(caFile)}`,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A client whose node is frozen or gone may never say that it is done. */
async function bounded(disposed: Promise<void>): Promise<void> {
  let limit: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (limit = setTimeout(resolve, disposeTimeoutMs)));
  await Promise.race([disposed, timeout]).finally(() => clearTimeout(limit));
}

export function connect(port: number, scheme = 'esdb'): EventStoreDBClient {
  return EventStoreDBClient.connectionString(`${scheme}://127.0.0.1:${port}?tls=false`);
}

export function testEvent(type = 'Happened', data: Record<string, unknown> = {}, id?: string) {
  return jsonEvent({ type, data, ...(id === undefined ? {} : { id }) });
}

/** Everything in `$all`, in order. */
export async function allEvents(client: EventStoreDBClient): Promise<AllStreamRecordedEvent[]> {
  const events: AllStreamRecordedEvent[] = [];
  for await (const { event } of client.readAll()) if (event !== undefined) events.push(event);
  return events;
}
