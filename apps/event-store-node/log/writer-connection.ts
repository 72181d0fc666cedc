import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../shared/process/log';
import { rowAt } from '../storage/log-queries';
import { openWriterSession, Superseded, UnsafeDatabase, type WriterSession } from '../storage/writer-session';
import { DurableLog } from './durable-log';
import type { LogRow } from './log-row';
import type { StreamStates } from './stream-states';

const reconnectDelayMinMs = 50;
const reconnectDelayMaxMs = 1_000;
const fencedCode = 'MF001';
/** SQLSTATE classes that say the server or the way to it failed, not the statement. */
const outageClasses = new Set(['08', '57', '58', 'XX']);
/** No room on disk or in memory: the transaction is rolled back for certain, and the session is as good as before. */
const shortageClass = '53';

/**
 * What became of a group whose commit failed: in the log after all; surely not in it and worth another try; or refused for
 * a reason of its own.
 */
export type Verdict = 'committed' | 'retry' | 'refused';

/** Keeps one writer session open, however often PostgreSQL goes away. */
export class WriterConnection {
  private session: Promise<WriterSession | undefined>;
  private readonly closing = new AbortController();

  private constructor(
    private readonly databaseUrl: string,
    private readonly log: Logger,
    private readonly states: StreamStates,
    readonly durable: DurableLog,
    private readonly onFenced: () => void,
    first: WriterSession,
  ) {
    this.session = Promise.resolve(first);
  }

  /** Waits for the lock; rejects when PostgreSQL cannot be reached or is unsafe, since nobody depends on us yet. */
  static async open(
    databaseUrl: string,
    log: Logger,
    states: StreamStates,
    onFenced: () => void,
    signal: AbortSignal,
  ): Promise<WriterConnection> {
    const opened: { connection?: WriterConnection } = {};
    const first: WriterSession = await openWriterSession(databaseUrl, log, signal, (error) =>
      opened.connection?.lost(first, error),
    );
    const durable = new DurableLog(first.durablePosition);
    opened.connection = new WriterConnection(databaseUrl, log, states, durable, onFenced, first);
    return opened.connection;
  }

  /** The open session; while there is none, waits for it. `undefined` once closing. */
  ready(): Promise<WriterSession | undefined> {
    return this.session;
  }

  /**
   * Ends a session that failed, opens the next, and finds out what became of the group that began with `firstRow`. After a
   * mere shortage the session goes on.
   */
  async replace(failed: WriterSession, error: unknown, firstRow: LogRow | undefined): Promise<Verdict> {
    const code = sqlState(error);
    if (code === fencedCode) this.onFenced();
    if (code?.startsWith(shortageClass) === true) return 'refused';
    this.lost(failed, error);
    // The old session held the lock. Once the new one has it, the old transaction has ended one way or the other.
    for (;;) {
      const session = await this.session;
      if (session === undefined) return 'refused';
      try {
        if (firstRow !== undefined && (await holds(session, firstRow))) return 'committed';
        return code === undefined || outageClasses.has(code.slice(0, 2)) ? 'retry' : 'refused';
      } catch (again) {
        this.lost(session, again);
      }
    }
  }

  async close(): Promise<void> {
    this.closing.abort();
    await (await this.session)?.close();
  }

  private lost(failed: WriterSession, error: unknown): void {
    if (this.closing.signal.aborted || this.dead.has(failed)) return;
    this.dead.add(failed);
    this.log.warn({ err: error }, 'lost the connection that writes; reconnecting');
    this.durable.suspend();
    this.session = this.reconnect(failed);
  }

  private readonly dead = new WeakSet<WriterSession>();

  private async reconnect(failed: WriterSession): Promise<WriterSession | undefined> {
    failed.abandon();
    for (let delayMs = reconnectDelayMinMs; !this.closing.signal.aborted;) {
      try {
        const opened: { session?: WriterSession } = {};
        const onLost = (error: Error): void => {
          if (opened.session !== undefined) this.lost(opened.session, error);
        };
        const session = await openWriterSession(
          this.databaseUrl,
          this.log,
          this.closing.signal,
          onLost,
          failed.epoch,
        );
        opened.session = session;
        this.states.clear();
        this.durable.resetTo(session.durablePosition);
        this.log.info({ position: session.durablePosition }, 'writing again');
        return session;
      } catch (error) {
        if (error instanceof Superseded) this.onFenced();
        if (error instanceof UnsafeDatabase) this.log.fatal({ err: error }, 'unsafe database');
        this.log.debug({ err: error }, 'could not reconnect yet');
        await delay(delayMs, undefined, { signal: this.closing.signal }).catch(() => undefined);
        delayMs = Math.min(delayMs * 2, reconnectDelayMaxMs);
      }
    }
    return undefined;
  }
}

async function holds(session: WriterSession, row: LogRow): Promise<boolean> {
  const stored = await rowAt(session.client, row.position);
  return stored?.streamName === row.streamName && stored.frames.equals(row.frames);
}

function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
