import { randomBytes, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { EventMetadata } from '../../../../domain/event';
import { streamName } from '../../../../domain/stream-name';
import {
  createEventCodec,
  type ReadEvent,
  type StoredEvent,
} from '../../../../apps/shared/event-store/event-codec';
import { createKeyRing } from '../../../../apps/shared/keys/key-ring';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { startTestPostgres, type TestPostgres } from '../../../support/postgres';

const tenantId = randomUUID();
const mailboxId = randomUUID();
const stream = streamName('mailbox', tenantId, mailboxId);
const metadata: EventMetadata = {
  tenantId,
  schemaVersion: 1,
  occurredAt: '2026-11-21T10:00:00.000Z',
  actor: { kind: 'system', id: null },
  commandId: randomUUID(),
  $correlationId: randomUUID(),
  $causationId: randomUUID(),
};
const connected: MailfoldEvent = {
  type: 'MailboxConnected',
  data: { mailboxId, name: 'Help desk', address: 'help@example.com', threadingPolicy: 'references' },
};

describe('the event codec', () => {
  const rootKey = randomBytes(32);
  let postgres: TestPostgres;
  let pool: Pool;
  // A codec of its own has empty caches, as another process has.
  const codec = () => createEventCodec(createKeyRing({ pool, rootKey }));

  beforeAll(async () => {
    postgres = await startTestPostgres();
    const url = await postgres.createDatabase();
    await migrate(url, 'keys');
    pool = createPool(url, {
      applicationName: 'event-codec-test',
      maxConnections: 4,
      statementTimeoutMs: 10_000,
      queryTimeoutMs: 10_000,
      connectionTimeoutMs: 10_000,
    });
  });
  afterAll(async () => {
    await pool.end();
    await postgres.stop();
  });

  async function encoded(event: MailfoldEvent, id = randomUUID()): Promise<StoredEvent> {
    return codec().encode(stream, { id, event, metadata });
  }
  function read(stored: StoredEvent, changes: Partial<ReadEvent> = {}): ReadEvent {
    return { ...stored, streamName: stream, revision: 0, position: 7n, ...changes };
  }

  it('gives back what it took, with its place in the log', async () => {
    const stored = await encoded(connected);
    expect(await codec().decode(read(stored))).toMatchObject({
      ...connected,
      revision: 0,
      position: 7n,
      streamName: stream,
    });
  });

  it('leaves no personal field readable in the log', async () => {
    const text = JSON.stringify(await encoded(connected));
    expect(text).not.toContain('Help desk');
    expect(text).not.toContain('help@example.com');
    expect(text).toContain(mailboxId);
  });

  it('seals content chunks as bytes', async () => {
    const bytes = Buffer.from('From: ada@example.com\n\nsecret');
    const stored = await encoded({ type: 'MessageContentStored', data: { chunk: 3, bytes } });
    expect(Buffer.from(stored.data as Uint8Array).includes('secret')).toBe(false);
    const decoded = await codec().decode(read(stored));
    expect(decoded).toMatchObject({ type: 'MessageContentStored', data: { chunk: 3 } });
    expect('data' in decoded && Buffer.from((decoded.data as { bytes: Uint8Array }).bytes)).toEqual(bytes);
  });

  it('shows erased values once the key is destroyed, and goes on', async () => {
    const other = randomUUID();
    const otherStream = streamName('mailbox', other, mailboxId);
    const stored = await codec().encode(otherStream, {
      id: randomUUID(),
      event: connected,
      metadata: { ...metadata, tenantId: other },
    });
    await pool.query('update data_keys set wrapped = null, destroyed_at = now() where tenant_id = $1', [
      other,
    ]);
    expect(await codec().decode(read(stored, { streamName: otherStream }))).toMatchObject({
      type: 'MailboxConnected',
      data: { mailboxId, name: '[erased]', address: '[erased]' },
    });
  });

  it.each([
    ['an unknown type', { type: 'MailboxTeleported' }, /unknown event type MailboxTeleported/],
    ['another event id, as after a swap', { id: randomUUID() }, /seal/i],
    [
      'a stream of another tenant',
      { streamName: streamName('mailbox', randomUUID(), mailboxId) },
      /another tenant/,
    ],
    ['bytes where JSON belongs', { data: Buffer.from('{}') }, /must be JSON/],
  ])('names the reason for %s instead of skipping it', async (_what, changes, reason) => {
    const decoded = await codec().decode(read(await encoded(connected), changes));
    expect(decoded).toMatchObject({ undecodable: true, position: 7n });
    expect('reason' in decoded && decoded.reason).toMatch(reason);
  });

  it.each([[0], [2], ['1'], [undefined]])('refuses schema version %p', async (schemaVersion) => {
    const stored = await encoded(connected);
    const decoded = await codec().decode(
      read({ ...stored, metadata: { ...stored.metadata, schemaVersion } }),
    );
    expect('reason' in decoded && decoded.reason).toMatch(/unknown version .* of MailboxConnected/);
  });

  it('does not call an event broken because the key store is away', async () => {
    const stored = read(await encoded(connected));
    const away = createPool('postgresql://nobody@/none?host=/nowhere', {
      applicationName: 'away',
      maxConnections: 1,
      statementTimeoutMs: 500,
      queryTimeoutMs: 500,
      connectionTimeoutMs: 500,
    });
    await expect(createEventCodec(createKeyRing({ pool: away, rootKey })).decode(stored)).rejects.toThrow();
    await away.end();
  });
});
