import { createHash, randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import { streamName } from '../../../../domain/stream-name';
import type { MessageReceived } from '../../../../domain/message/message.events';
import type { Tier } from '../../../../projections/projection';
import { projectionTier, projectionTiers } from '../../../../projections/tiers';
import type { ProjectionTier } from '../../../../projections/tier';
import { createEventStore } from '../../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../../apps/shared/event-store/event-store';
import { wholeTier } from '../../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  ensureFirstGeneration,
  startTailing,
  type Generation,
  type TargetToMake,
} from '../../../../apps/shared/generations/generations';
import { createKeyRing } from '../../../../apps/shared/keys/key-ring';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import type { CertificateFile, GateName, GateResult } from '../../../../apps/shared/proving/certificate';
import { prove, type ProveOptions } from '../../../../apps/shared/proving/prove';
import type { ShadowReadsOptions } from '../../../../apps/shared/proving/shadow-reads';
import { replay } from '../../../../apps/shared/projecting/replay';
import { eventually } from '../../../support/eventually';
import { startTestNode, type TestNode } from '../../../support/event-store-node';
import { queryAsSuperuser } from '../../../support/postgres';
import { startProcess, type TestProcess } from '../../../support/processes';
import { idOf, RecordedLog } from '../../../support/recorded-log';
import { story, tenantId as storyTenantId } from '../../../golden/story';

/** A log on a real node, a projector as its own process, and databases for all tiers, two of them for OLTP. */
export class ProofSystem {
  readonly rootKey = randomBytes(32);
  readonly urls = new Map<string, string>();
  store!: EventStore;
  control!: Pool;
  /** What processes and commands over the same system need to know. */
  environment: Readonly<Record<string, string>> = {};
  private keysPool!: Pool;
  private projector!: TestProcess;
  private queryApi: TestProcess | undefined;

  private constructor(private readonly node: TestNode) {}

  static async start(): Promise<ProofSystem> {
    const system = new ProofSystem(await startTestNode());
    const { postgres } = system.node;
    for (const ref of [...projectionTiers.map(({ tier }) => databaseRefOf(tier)), 'OLTP_DATABASE_URL_B'])
      system.urls.set(ref, await postgres.createDatabase());
    const [controlUrl, keysUrl] = [await postgres.createDatabase(), await postgres.createDatabase()];
    await migrate(controlUrl, 'control');
    await migrate(keysUrl, 'keys');
    system.control = createPool(controlUrl, bounds);
    system.keysPool = createPool(keysUrl, bounds);
    const keys = createKeyRing({ pool: system.keysPool, rootKey: system.rootKey });
    system.store = createEventStore({ url: system.node.url(), keys });
    for (const { tier } of projectionTiers)
      await ensureFirstGeneration(system.control, system.url(databaseRefOf(tier)), tier, {
        codeVersion: 'test',
        lanes: 2,
      });
    system.environment = {
      ...Object.fromEntries(system.urls),
      ...{ CONTROL_DATABASE_URL: controlUrl, KEYS_DATABASE_URL: keysUrl },
      ...{ EVENTSTORE_URL: system.node.url(), MAILFOLD_ROOT_KEY: system.rootKey.toString('base64') },
    };
    system.projector = await startProcess('apps/projector/main.js', { env: system.environment });
    return system;
  }

  /** A query API over the same databases, and the key to read both sides of a proof with. */
  async startQueryApi(): Promise<ShadowReadsOptions> {
    const adminKey = randomBytes(24).toString('hex');
    this.queryApi = await startProcess('apps/query-api/main.js', {
      env: {
        ...this.environment,
        ...{ MAILFOLD_ADMIN_KEY: adminKey, QUERY_API_PORT: '0', AFTER_WAIT_MAX_MS: '200' },
      },
    });
    return { queryApiUrl: `http://127.0.0.1:${this.queryApi.port}`, adminKey };
  }

  async stop(): Promise<void> {
    await this.queryApi?.stop();
    await this.projector?.stop();
    await this.store?.close();
    await this.keysPool?.end();
    await this.control?.end();
    await this.node.stop();
  }

  url(databaseRef: string): string {
    return this.urls.get(databaseRef) ?? '';
  }

  /** Appends the events in their order, each mail with its bytes before it. */
  async append(log: RecordedLog): Promise<void> {
    const heads = new Map<string, number>();
    for (const { streamName, metadata, revision: told, ...rest } of log.events) {
      const event = { type: rest.type, data: rest.data } as MailfoldEvent;
      const events = event.type === 'MessageReceived' ? withContent(streamName, event) : [event];
      const head = heads.get(streamName);
      const { revision } = await this.store.append(
        streamName,
        head ?? 'no-stream',
        events.map((each, n) => ({ id: idOf(`${streamName} ${told} ${n}`), event: each, metadata })),
      );
      heads.set(streamName, revision);
    }
  }

  /** Every type of event there is, as deciders write them. */
  async appendStory(): Promise<void> {
    const heads = new Map<string, number>();
    for (const [n, { streamName, event }] of [...story(), ...arrival()].entries()) {
      const metadata = {
        ...{ tenantId: storyTenantId, schemaVersion: 1, occurredAt: '2026-03-01T10:00:00.000Z' },
        ...{ actor: { kind: 'system' as const, id: null }, commandId: idOf('c') },
        ...{ $correlationId: idOf('c'), $causationId: idOf('c') },
      };
      const { revision } = await this.store.append(streamName, heads.get(streamName) ?? 'no-stream', [
        { id: idOf(`story ${n}`), event, metadata },
      ]);
      heads.set(streamName, revision);
    }
  }

  /** Another generation of a tier, which the projector fills from the start of the log. */
  async fill(
    tier: Tier,
    targets: readonly TargetToMake[] = wholeIn(databaseRefOf(tier)),
  ): Promise<Generation> {
    const generation = await this.create(tier, targets);
    await startTailing(this.control, tier, generation.generation);
    await this.caughtUp();
    return generation;
  }

  /** Another generation, filled up to now by other projections; then the projector keeps it as any other. */
  async fillBy(projections: ProjectionTier): Promise<Generation> {
    const { tier } = projections;
    const generation = await this.create(tier, wholeIn(databaseRefOf(tier)));
    const pool = createPool(this.url(databaseRefOf(tier)), { ...bounds, role: 'mailfold_projector' });
    try {
      await replay({
        ...{ store: this.store, tier: projections, parser: null, pool },
        ...{ schema: `g${generation.generation}`, until: (await this.store.head()) ?? 0n },
        signal: new AbortController().signal,
      });
    } finally {
      await pool.end();
    }
    await startTailing(this.control, tier, generation.generation);
    return generation;
  }

  private create(tier: Tier, targets: readonly TargetToMake[]): Promise<Generation> {
    return createGeneration(this.control, this.urls, tier, { codeVersion: 'test', kind: 'rebuild', targets });
  }

  /** Until every lane of every target that is kept stands at the end of the log. */
  async caughtUp(): Promise<void> {
    await eventually(async () => {
      const head = String(await this.store.head());
      const { rows } = await this.control.query<{ ref: string; schema: string }>(
        `select database_ref as ref, schema_name as schema from generation_targets t
         join generations g using (tier, generation) where g.state = 'tailing'`,
      );
      for (const { ref, schema } of rows) {
        const lanes = await this.query<{ position: string }>(
          ref,
          `select distinct commit_position::text as position from ${schema}.checkpoints`,
        );
        expect({ schema, lanes }).toEqual({ schema, lanes: [{ position: head }] });
      }
    }, 30_000);
  }

  query<Row extends object>(databaseRef: string, sql: string, values: unknown[] = []): Promise<Row[]> {
    return queryAsSuperuser<Row>(this.url(databaseRef), sql, values);
  }

  /** A proof of the whole of a tier against what serves. */
  prove(tierName: Tier, generation: number, options: Partial<ProveOptions> = {}): Promise<CertificateFile> {
    const tier = projectionTier(tierName);
    if (tier === undefined) throw new Error(`no tier ${tierName}`);
    return prove({
      ...{ tier, control: this.control, urls: this.urls, store: this.store, rootKey: this.rootKey },
      ...{ codeVersion: 'test', left: 'serving', right: { generation }, coverages: [wholeTier] },
      ...{ oracle: { streams: 8, seed: 1 }, signal: new AbortController().signal },
      ...options,
    });
  }
}

const bounds = {
  applicationName: 'test',
  maxConnections: 4,
  statementTimeoutMs: 10_000,
  queryTimeoutMs: 11_000,
  connectionTimeoutMs: 5_000,
};

export function wholeIn(databaseRef: string): TargetToMake[] {
  return [{ databaseRef, coverage: { slots: wholeTier.slots, tenantId: null } }];
}

export function gateOf({ gates }: Pick<CertificateFile, 'gates'>, name: GateName): GateResult {
  const found = gates.find(({ gate }) => gate === name);
  if (found === undefined) throw new Error(`no gate ${name}`);
  return found;
}

/** Mails of two tenants, with conversations that are assigned, read, merged away, resolved and moved. */
export function history(mails: number, prefix = 'mail'): RecordedLog {
  const log = new RecordedLog();
  const other = idOf('another tenant');
  for (let i = 0; i < mails; i++) {
    const name = `${prefix} ${i}`;
    log.mail(name);
    if (i % 4 === 0) log.mail(`other ${name}`, { subject: 'Other' }, other);
    if (i % 3 === 0) log.assign(name, `agent ${i % 4}`);
    if (i % 4 === 0) log.read(name, 'ana', 1);
    if (i % 7 === 3) log.move(name, name, `${prefix} ${i - 1}`);
    if (i % 6 === 0) log.resolve(name);
  }
  return log;
}

/** The story sends a message to another conversation; here that one has it. */
function arrival(): { streamName: string; event: MailfoldEvent }[] {
  const events = story().map(({ event }) => event);
  const detached = events.find(({ type }) => type === 'MessageDetached');
  if (detached?.type !== 'MessageDetached') throw new Error('the story moves no message');
  const conversationId = detached.data.to;
  return events.flatMap((event) =>
    event.type === 'ConversationOpened' || event.type === 'MessageAttached'
      ? [
          {
            streamName: streamName('conversation', storyTenantId, conversationId),
            event: { ...event, data: { ...event.data, conversationId } } as MailfoldEvent,
          },
        ]
      : [],
  );
}

function withContent(streamName: string, event: MessageReceived): MailfoldEvent[] {
  const raw = Buffer.from(
    `From: cara@customer.example\r\nTo: help@acme.example\r\nSubject: ${event.data.subject}\r\n\r\nHello\r\n`,
  );
  const content = {
    ...{ streamName, storageKey: `raw/${event.data.messageId}`, chunks: 1, compression: 'none' as const },
    ...{ rawSize: raw.length, sha256: createHash('sha256').update(raw).digest('hex') },
  };
  return [
    { type: 'MessageContentStored', data: { chunk: 0, bytes: raw } },
    { ...event, data: { ...event.data, content } },
  ];
}
