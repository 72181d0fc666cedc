import { jsonEvent } from '@eventstore/db-client';
import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Pool } from 'pg';
import { appendSampleLog } from '../../../../apps/dev/sample-log/append-sample-log';
import { sampleLog } from '../../../../apps/dev/sample-log/sample-log';
import { createEventStore } from '../../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../../apps/shared/event-store/event-store';
import { divided, wholeTier, allSlots } from '../../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  type DatabaseUrls,
  type Generation,
} from '../../../../apps/shared/generations/generations';
import { createKeyRing, type KeyRing } from '../../../../apps/shared/keys/key-ring';
import { keepLedger } from '../../../../apps/shared/log-ledger/keep-ledger';
import { LogLedger } from '../../../../apps/shared/log-ledger/log-ledger';
import { createMailParser, type MailParser } from '../../../../apps/shared/mail/mail-parser';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { replay } from '../../../../apps/shared/projecting/replay';
import type { BulkLoadOptions, LoadOutcome, TierToLoad } from '../../../../apps/shared/rebuilding/contracts';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Recorded } from '../../../../domain/event';
import type { ContentRef, MessageReceived } from '../../../../domain/message/message.events';
import { streamName } from '../../../../domain/stream-name';
import type { Tier } from '../../../../projections/projection';
import { projectionTiers, tablesOf } from '../../../../projections/tiers';
import { eventually } from '../../../support/eventually';
import { startTestNode, type TestNode } from '../../../support/event-store-node';
import { received } from '../../../support/message-builders';
import { queryAsSuperuser } from '../../../support/postgres';
import { idOf, RecordedLog } from '../../../support/recorded-log';

const bounds = {
  ...{ applicationName: 'test', maxConnections: 4, connectionTimeoutMs: 10_000 },
  ...{ statementTimeoutMs: 30_000, queryTimeoutMs: 31_000 },
};

const loadScript = `
  const { bulkLoad } = require('./dist/apps/shared/rebuilding/bulk-load.js');
  const { fence, log, ...options } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
  let paces = 0;
  const pace = async () => {
    if (++paces === Number(process.argv[1])) process.kill(process.pid, 'SIGKILL');
  };
  const signal = new AbortController().signal;
  const rootKey = Buffer.from(log.rootKey, 'base64');
  bulkLoad({ ...options, fence: BigInt(fence), log: { ...log, rootKey }, pace, signal }).then((outcome) =>
    console.log(JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? String(value) : value))),
  );
`;

/** Rows, progress and parked events of a generation, by what does not depend on how its slots are divided. */
export type GenerationDigest = Readonly<Record<string, string>>;

/** A log, its ledger and keys, and databases for all tiers; of each tier as many generations as a test wants. */
export class BulkLoadFixture {
  readonly rootKey = randomBytes(32);
  readonly spoolRoot = mkdtempSync(join(tmpdir(), 'mf-spool-'));
  private readonly urls = new Map<string, string>();
  private readonly pools: Pool[] = [];
  private constructor(readonly node: TestNode) {}
  store!: EventStore;
  keys!: KeyRing;
  control!: Pool;
  private parser!: MailParser;
  private keysUrl = '';
  private controlUrl = '';

  static async start(): Promise<BulkLoadFixture> {
    const fixture = new BulkLoadFixture(await startTestNode());
    await fixture.prepare();
    return fixture;
  }

  private async prepare(): Promise<void> {
    const { postgres } = this.node;
    this.controlUrl = await postgres.createDatabase();
    this.keysUrl = await postgres.createDatabase();
    await migrate(this.controlUrl, 'control');
    await migrate(this.keysUrl, 'keys');
    for (const { tier } of projectionTiers)
      this.urls.set(databaseRefOf(tier), await postgres.createDatabase());
    this.control = this.pool(this.controlUrl);
    this.keys = createKeyRing({ pool: this.pool(this.keysUrl), rootKey: this.rootKey });
    this.store = createEventStore({ url: this.node.url(), keys: this.keys });
    this.parser = createMailParser({ threads: 2, timeoutMs: 30_000 });
  }

  async stop(): Promise<void> {
    await this.parser.close();
    await this.store.close();
    for (const pool of this.pools) await pool.end();
    await this.node.stop();
    rmSync(this.spoolRoot, { recursive: true, force: true });
  }

  pool(url: string, role?: 'mailfold_projector'): Pool {
    const pool = createPool(url, { ...bounds, ...(role ? { role } : {}) });
    this.pools.push(pool);
    return pool;
  }

  get databaseUrls(): DatabaseUrls {
    return this.urls;
  }

  urlOf(tier: Tier): string {
    return this.urls.get(databaseRefOf(tier)) ?? '';
  }

  async writeSample(events: number, seed = 7): Promise<void> {
    const { signal } = new AbortController();
    const { acts } = sampleLog({ seed, events, keys: this.keys, tenants: 4 });
    await appendSampleLog(this.store, acts, { signal });
  }

  /** An event of a type that no build knows. */
  private async writeUnknown(streamName: string, tenantId: string): Promise<void> {
    const metadata = { tenantId, schemaVersion: 1 };
    await this.node
      .client()
      .appendToStream(streamName, jsonEvent({ type: 'NeverHeardOf', data: {}, metadata }));
  }

  /**
   * Sequences that stop: a conversation and a message at an event that nobody knows, a message at content that is not what
   * its fact says, one at a value that no column takes; each with events behind it, in another part of the log.
   */
  async writePoisonedSequences(): Promise<{ first: string }> {
    const log = new RecordedLog(idOf('poisoned tenant'));
    const conversation = streamName('conversation', log.tenantId, idOf('stopped'));
    const message = streamName('message', log.tenantId, idOf('stopped message'));
    const written = (name: string): string => streamName('message', log.tenantId, idOf(`${name} message`));
    const raw = Buffer.from('From: cara@customer.example\r\n\r\nHello\r\n');
    const mail = (
      name: string,
      changes: Partial<ContentRef> = {},
      fields: Partial<MessageReceived['data']> = {},
    ) =>
      this.appendMail(log, name, raw, { ...fields, content: { ...contentOf(log, name, raw), ...changes } });
    await mail('moved');
    await this.appendEvents(log.mail('moved').events.slice(1));
    await this.appendEvents(new RecordedLog(log.tenantId).mail('stopped').events.slice(1));
    await this.writeUnknown(conversation, log.tenantId);
    await this.writeUnknown(message, log.tenantId);
    await mail('broken', { sha256: createHash('sha256').update('other').digest('hex') });
    await mail('refused', { storageKey: 'k'.repeat(501) });
    await mail('unstorable', {}, { to: [{ name: null, address: 'a\u0000b' }] });
    await this.writeSample(300, 11);
    await mail('stopped');
    const behind = new RecordedLog(log.tenantId).attach('stopped', 'moved').assign('stopped', 'ana');
    await this.appendEvents(behind.events);
    for (const name of ['broken', 'refused']) await this.writeUnknown(written(name), log.tenantId);
    return { first: conversation };
  }

  /** A mail as the log has it: its content, then its fact. */
  private async appendMail(
    log: RecordedLog,
    name: string,
    raw: Buffer,
    fields: Partial<MessageReceived['data']>,
  ): Promise<void> {
    const messageId = idOf(`${name} message`);
    const chunk: MailfoldEvent = { type: 'MessageContentStored', data: { chunk: 0, bytes: raw } };
    const data = received({ messageId, mailboxId: idOf('mailbox'), threadNodeId: messageId, ...fields });
    const own = new RecordedLog(log.tenantId).add('message', messageId, chunk);
    await this.appendEvents(own.add('message', messageId, { type: 'MessageReceived', data }).events);
  }

  /** Behind whatever their streams hold. */
  private async appendEvents(events: readonly Recorded<MailfoldEvent>[]): Promise<void> {
    for (const { streamName: name, metadata, type, data } of events) {
      const [last] = await this.store.readStreamRecords(name, { last: 1 });
      const event = { type, data } as MailfoldEvent;
      await this.store.append(name, last?.revision ?? 'no-stream', [{ id: randomUUID(), event, metadata }]);
    }
  }

  /** Counts the log into the ledger up to its end. */
  async keepLedger(): Promise<void> {
    const stop = new AbortController();
    const { store, control } = this;
    const keeping = keepLedger({ store, pool: control, owner: randomUUID(), signal: stop.signal });
    const ledger = new LogLedger(control, store);
    const head = await store.head();
    await eventually(async () =>
      expect((await ledger.head())?.position ?? 0n).toBeGreaterThanOrEqual(head ?? 0n),
    );
    stop.abort();
    await keeping;
  }

  async head(): Promise<bigint> {
    return (await this.store.head()) ?? 0n;
  }

  async newGeneration(tier: Tier, shards = 1): Promise<Generation> {
    return createGeneration(this.control, this.urls, tier, {
      ...{ codeVersion: 'test', kind: 'rebuild' },
      targets: divided(allSlots, shards).map((slots) => ({
        databaseRef: databaseRefOf(tier),
        coverage: { ...wholeTier, slots },
      })),
    });
  }

  /** What the live lanes make of the log: a generation per tier, filled by one lane each. */
  async replayed(): Promise<Generation[]> {
    const until = await this.head();
    const generations: Generation[] = [];
    for (const tier of projectionTiers) {
      const generation = await this.newGeneration(tier.tier);
      const { isComplete } = await replay({
        ...{ store: this.store, tier, parser: this.parser, until },
        pool: this.pool(this.urlOf(tier.tier), 'mailfold_projector'),
        schema: generation.targets[0]!.schema,
        signal: new AbortController().signal,
      });
      expect(isComplete).toBe(true);
      generations.push(generation);
    }
    return generations;
  }

  async toLoad(shards: number): Promise<{ generations: Generation[]; tiers: TierToLoad[] }> {
    const generations: Generation[] = [];
    for (const { tier } of projectionTiers) generations.push(await this.newGeneration(tier, shards));
    return { generations, tiers: generations.map((generation) => this.tierToLoad(generation)) };
  }

  /** A generation of each tier that holds one tenant. */
  async toLoadTenant(tenantId: string): Promise<{ generations: Generation[]; tiers: TierToLoad[] }> {
    const generations: Generation[] = [];
    for (const { tier } of projectionTiers)
      generations.push(
        await createGeneration(this.control, this.urls, tier, {
          ...{ codeVersion: 'test', kind: 'repartition' },
          targets: [{ databaseRef: databaseRefOf(tier), coverage: { slots: allSlots, tenantId } }],
        }),
      );
    return { generations, tiers: generations.map((generation) => this.tierToLoad(generation)) };
  }

  tierToLoad({ tier, generation, targets }: Generation): TierToLoad {
    return {
      tier,
      targets: targets.map(({ schema, slots, tenantId }) => ({
        ...{ generation, schema, databaseUrl: this.urlOf(tier) },
        coverage: { slots, tenantId, except: [] },
      })),
    };
  }

  async options(
    tiers: readonly TierToLoad[],
    changes: Partial<BulkLoadOptions> = {},
  ): Promise<BulkLoadOptions> {
    return {
      log: {
        ...{ eventStoreUrl: this.node.url(), keysDatabaseUrl: this.keysUrl, rootKey: this.rootKey },
        controlDatabaseUrl: this.controlUrl,
      },
      tiers,
      fence: await this.head(),
      spoolFolder: join(this.spoolRoot, randomUUID()),
      parallelism: { readers: 2, folders: 2 },
      poison: 'stop',
      signal: new AbortController().signal,
      ...changes,
    };
  }

  /** As {@link options}, without the ledger: the log is then cut by position, into a dozen ranges even if it is short. */
  async optionsInRanges(
    tiers: readonly TierToLoad[],
    changes: Partial<BulkLoadOptions> = {},
  ): Promise<BulkLoadOptions> {
    const options = await this.options(tiers, changes);
    const { controlDatabaseUrl: _, ...log } = options.log;
    return { ...options, log };
  }

  /** In a process of its own, which sends itself SIGKILL when it is to pace for the n-th time; null: it came to that. */
  async loadInProcess(options: BulkLoadOptions, killAtPace: number): Promise<LoadOutcome | null> {
    const { signal: _, fence, log, ...plain } = options;
    const sent = {
      ...plain,
      fence: String(fence),
      log: { ...log, rootKey: this.rootKey.toString('base64') },
    };
    const child = spawn(process.execPath, ['-e', loadScript, String(killAtPace)], {
      cwd: resolve(__dirname, '../../../..'),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end(JSON.stringify(sent));
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (killedBy === 'SIGKILL') return null;
    expect(code).toBe(0);
    return JSON.parse(Buffer.concat(output).toString()) as LoadOutcome;
  }

  /** Per table and slot the sum over all targets; the parked and stopped; where the lanes stand, and what they took in. */
  async digest(generation: Generation): Promise<GenerationDigest> {
    return { ...(await this.rowDigest(generation)), ...(await this.progressDigest(generation)) };
  }

  /** Of one tenant's rows, or of all. */
  async rowDigest(generation: Generation, tenantId: string | null = null): Promise<GenerationDigest> {
    const digest: Record<string, string> = {};
    const tier = projectionTiers.find((known) => known.tier === generation.tier)!;
    for (const table of tablesOf(tier)) {
      const names = ['tenant_id', 'slot', 'log_position', ...Object.keys(table.columns).sort()];
      const text = `row(${names.map((name) => `t."${name}"`).join(', ')})::text`;
      const rows = await this.rowsOfAll<{ slot: number; rows: string; sum: string }>(
        generation,
        (schema) => `select slot, count(*) as rows, sum(hashtextextended(${text}, 0)::numeric)::text as sum
                     from ${schema}.${table.name} t
                     where ${tenantId === null ? 'true' : `tenant_id = '${tenantId}'`} group by slot`,
      );
      for (const { slot, rows: count, sum } of rows) digest[`${table.name} ${slot}`] = `${count} ${sum}`;
    }
    return digest;
  }

  private async progressDigest(generation: Generation): Promise<GenerationDigest> {
    const digest: Record<string, string> = {};
    const parked = await this.rowsOfAll<{ text: string }>(
      generation,
      (
        schema,
      ) => `select row(tenant_id, slot, sequence_id, position, event_id, event_type, reason)::text as text
                   from ${schema}.parked_sequences`,
    );
    digest['parked'] = parked
      .map(({ text }) => text)
      .sort()
      .join('\n');
    const stopped = await this.rowsOfAll<{ text: string }>(
      generation,
      (schema) =>
        `select row(tenant_id, sequence_id, position)::text as text from ${schema}.stopped_sequences`,
    );
    digest['stopped'] = [...new Set(stopped.map(({ text }) => text))].sort().join('\n');
    const lanes = await this.rowsOfAll<{ place: string; events: string; hi: string; lo: string }>(
      generation,
      (schema) => `select row(commit_position, prepare_position, event_id)::text as place, events,
                          id_digest_hi::text as hi, id_digest_lo::text as lo from ${schema}.checkpoints`,
    );
    digest['places'] = [...new Set(lanes.map(({ place }) => place))].join();
    digest['events'] = String(lanes.reduce((sum, { events }) => sum + Number(events), 0));
    const sums = (half: 'hi' | 'lo') =>
      BigInt.asUintN(
        64,
        lanes.reduce((sum, lane) => sum + BigInt(lane[half]), 0n),
      );
    digest['ids'] = `${sums('hi')} ${sums('lo')}`;
    return digest;
  }

  async rowsOfAll<Row extends object>(
    generation: Generation,
    sql: (schema: string) => string,
  ): Promise<Row[]> {
    const all: Row[] = [];
    for (const { schema } of generation.targets)
      all.push(...(await queryAsSuperuser<Row>(this.urlOf(generation.tier), sql(schema))));
    return all;
  }
}

function contentOf(log: RecordedLog, name: string, raw: Buffer): ContentRef {
  const messageId = idOf(`${name} message`);
  return {
    ...{ streamName: streamName('message', log.tenantId, messageId), storageKey: `raw/${messageId}` },
    ...{ chunks: 1, compression: 'none', rawSize: raw.length },
    sha256: createHash('sha256').update(raw).digest('hex'),
  };
}
