import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../shared/process/log';
import { firstPosition, lastPositionOf } from '../log/log-row';
import { prepareGroupCommit } from './group-commit';
import { keyAccessOptions } from './key-access';
import { lastRow } from './log-queries';

/** Settings or a schema under which an acknowledgement could be a lie. The node must not start. */
export class UnsafeDatabase extends Error {
  override readonly name = 'UnsafeDatabase';
}

/** Another node has the lock, and has taken an epoch since we last had it: nothing this one knows is current. */
export class Superseded extends Error {
  override readonly name = 'Superseded';
}

/** Any number will do, as long as every node uses the same. */
const writerLock = 7_106_305_517;
const lockRetryMs = 500;
const lockWaitLogEveryMs = 10_000;
/** A server that is silent for longer is given up. Appends have been answered by then, with a timeout. */
const answerTimeoutMs = 5_000;
/** A goodbye that takes longer is not waited for. */
const closeTimeoutMs = 1_000;

/**
 * The one connection that writes. It holds the advisory lock as long as it lives, so a node that loses the connection
 * loses the right to write in the same instant; the epoch, checked by a trigger, and the primary key on dense positions
 * are two further fences behind it, for the day a connection pooler separates lock and connection.
 */
export interface WriterSession {
  readonly client: Client;
  /** Last durable position; `firstPosition - 1` for an empty log. */
  readonly durablePosition: number;
  readonly epoch: number;
  /** Ends it in good order. */
  close(): Promise<void>;
  /** Lets go of a session that failed, without a word: its server may be frozen. */
  abandon(): void;
}

/**
 * Connects, creates the tables, waits until no other node writes, and takes the next epoch.
 * Rejects with {@link UnsafeDatabase}, with {@link Superseded} if `epochHeld` is over, or with what the connection says.
 * `onLost` is called once when it breaks later.
 */
export async function openWriterSession(
  databaseUrl: string,
  log: Logger,
  signal: AbortSignal,
  onLost: (error: Error) => void,
  epochHeld?: number,
): Promise<WriterSession> {
  const client = new Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: answerTimeoutMs,
    query_timeout: answerTimeoutMs,
    keepAlive: true,
    options: keyAccessOptions,
  });
  let lost = false;
  const lose = (error: Error): void => {
    if (!lost) onLost(error);
    lost = true;
  };
  client.on('error', lose);
  client.on('end', () => lose(new Error('the connection to PostgreSQL ended')));
  const abandon = (): void => {
    lost = true;
    client.connection.stream.destroy();
  };
  const close = async (): Promise<void> => {
    lost = true;
    const giveUp = setTimeout(abandon, closeTimeoutMs);
    await client.end().catch(() => undefined);
    clearTimeout(giveUp);
  };
  try {
    await client.connect();
    await refuseUnsafeSettings(client);
    await waitForLock(client, log, signal, epochHeld);
    await pinDurability(client);
    await createTables(client);
    const epoch = await takeEpoch(client);
    await prepareGroupCommit(client);
    const last = await lastRow(client);
    const durablePosition = last === undefined ? firstPosition - 1 : lastPositionOf(last);
    return { client, durablePosition, epoch, close, abandon };
  } catch (error) {
    abandon();
    throw error;
  }
}

async function refuseUnsafeSettings(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings where name in ('synchronous_commit', 'fsync') and setting = 'off'`,
  );
  if (rows.length > 0)
    throw new UnsafeDatabase(
      `PostgreSQL runs with ${rows.map((row) => `${row.name}=off`).join(' and ')}: an acknowledged event could be lost`,
    );
}

/** What was found safe stays so in this session, whatever an administrator sets for all; `fsync` the trigger watches. */
async function pinDurability(client: Client): Promise<void> {
  await client.query(`select set_config('synchronous_commit', current_setting('synchronous_commit'), false)`);
}

async function waitForLock(
  client: Client,
  log: Logger,
  signal: AbortSignal,
  epochHeld: number | undefined,
): Promise<void> {
  for (let nextLineAtMs = 0; ;) {
    const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [
      writerLock,
    ]);
    if (rows[0]?.locked === true) return;
    // With our own epoch still in force it is our last session that has not ended yet.
    if (epochHeld !== undefined && (await currentEpoch(client)) !== epochHeld) throw new Superseded();
    if (Date.now() >= nextLineAtMs) {
      log.warn(
        epochHeld === undefined
          ? 'another node writes to this database; waiting until it stops'
          : 'the session that was lost still holds the lock; waiting until it ends',
      );
      nextLineAtMs = Date.now() + lockWaitLogEveryMs;
    }
    await delay(lockRetryMs, undefined, { signal });
  }
}

async function currentEpoch(client: Client): Promise<number> {
  const { rows } = await client.query<{ epoch: string }>('select epoch from writer');
  return Number(rows[0]?.epoch);
}

async function createTables(client: Client): Promise<void> {
  const folder = join(await packageFolder(), 'migrations', 'event-store');
  const files = (await readdir(folder)).filter((file) => file.endsWith('.sql')).sort();
  const sql = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  // Statements sent together are one transaction.
  await client.query(sql.join('\n'));
}

async function takeEpoch(client: Client): Promise<number> {
  const { rows } = await client.query<{ epoch: string }>(
    'update writer set epoch = epoch + 1 returning epoch',
  );
  const epoch = rows[0]?.epoch ?? '0';
  await client.query(`select set_config('event_store.epoch', $1, false)`, [epoch]);
  return Number(epoch);
}

/** The folder of package.json, seen from the sources as well as from dist/. */
async function packageFolder(): Promise<string> {
  for (let folder = __dirname; folder !== join(folder, '..'); folder = join(folder, '..')) {
    const isPackage = await readFile(join(folder, 'package.json')).then(
      () => true,
      () => false,
    );
    if (isPackage) return folder;
  }
  throw new Error('No package.json above the event store node');
}
