import { randomBytes, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { EventMetadata } from '../../../../domain/event';
import { streamName } from '../../../../domain/stream-name';
import {
  createEventCodec,
  type ReadEvent,
  type StoredEvent,
} from '../../../../apps/shared/event-store/event-codec';
import { mailfoldSchemas, type EventSchemas } from '../../../../apps/shared/event-store/upcasters';
import { createKeyRing } from '../../../../apps/shared/keys/key-ring';
import { sealJson } from '../../../../apps/shared/keys/seal';
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

  describe('of a log with a history', () => {
    const { strictObject, string } = z;
    // Version 1 kept the name in one field, sealed like the two that came after it.
    const schemas: EventSchemas = {
      ...mailfoldSchemas,
      currentVersions: { PersonNamed: 2 },
      shapes: {
        PersonNamed: {
          1: strictObject({ personId: string(), name: string() }),
          2: strictObject({ personId: string(), first: string(), last: string() }),
        },
      },
      upcasters: {
        PersonNamed: {
          1: ({ name, ...rest }) => {
            const [first, last = ''] = String(name).split(' ');
            return { ...rest, first, last };
          },
        },
      },
      erasedFields: { PersonNamed: { 1: { name: '[erased]' }, 2: { first: '[erased]', last: '' } } },
    };

    async function named(tenant: string, personal: object, schemaVersion: number): Promise<ReadEvent> {
      const [id, type] = [randomUUID(), 'PersonNamed'];
      const streamOfTenant = streamName('mailbox', tenant, mailboxId);
      const { keyId, key } = await createKeyRing({ pool, rootKey }).dataKey(tenant);
      const sealed = sealJson(key, keyId, personal, `${tenant}|${streamOfTenant}|${type}|${id}`);
      const data = { personId: mailboxId, sealed };
      const stored = { id, type, data, metadata: { ...metadata, tenantId: tenant, schemaVersion } };
      return read(stored, { streamName: streamOfTenant });
    }
    const reader = () => createEventCodec(createKeyRing({ pool, rootKey }), schemas);

    it('unseals first and upcasts then', async () => {
      const old = await named(tenantId, { name: 'Ada Lovelace' }, 1);
      expect(await reader().decode(old)).toMatchObject({
        type: 'PersonNamed',
        data: { personId: mailboxId, first: 'Ada', last: 'Lovelace' },
      });
    });

    it('upcasts what an old version shows once its key is destroyed', async () => {
      const erased = randomUUID();
      const old = await named(erased, { name: 'Ada Lovelace' }, 1);
      await pool.query('update data_keys set wrapped = null, destroyed_at = now() where tenant_id = $1', [
        erased,
      ]);
      expect(await reader().decode(old)).toMatchObject({
        data: { personId: mailboxId, first: '[erased]', last: '' },
      });
    });

    it('names the field that is not of the version', async () => {
      const odd = await named(tenantId, { first: 'Ada' }, 2);
      expect(await reader().decode(odd)).toMatchObject({
        undecodable: true,
        reason: expect.stringMatching(/^last of PersonNamed version 2: /),
      });
    });
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
