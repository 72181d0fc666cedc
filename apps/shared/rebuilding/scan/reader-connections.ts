import { Pool } from 'pg';
import { BulkReader } from '../../event-store/bulk-reader';
import type { ConnectionSettings } from '../../event-store/connection-settings';
import { createKeyRing } from '../../keys/key-ring';
import {
  createMailParser,
  replayInPlaceBytesMax,
  replayParseTimeoutMs,
  type MailParser,
} from '../../mail/mail-parser';
import { createPool } from '../../postgres/pool';
import type { LogToRead } from '../contracts';
import { loaderPool } from '../load/loader-pool';

const keyTimeoutMs = 10_000;

/** {@link LogToRead} for threads. */
export interface LogAccess extends Pick<LogToRead, 'keysDatabaseUrl' | 'rootKey'> {
  readonly connection: ConnectionSettings;
}

/** What a reader holds open while it reads range after range. */
export class ReaderConnections {
  readonly store: BulkReader;
  private readonly keys: Pool;
  private readonly targets = new Map<string, Pool>();
  private mailParser: MailParser | null = null;

  constructor({ connection, keysDatabaseUrl, rootKey }: LogAccess) {
    this.keys = createPool(keysDatabaseUrl, {
      applicationName: 'mailfold-scan',
      maxConnections: 1,
      statementTimeoutMs: keyTimeoutMs,
      queryTimeoutMs: keyTimeoutMs,
      connectionTimeoutMs: keyTimeoutMs,
    });
    const keys = createKeyRing({ pool: this.keys, rootKey: Buffer.from(rootKey) });
    this.store = new BulkReader({ connection, keys });
  }

  /** A large mail takes its own thread, beside the reader's, so that one is parsed while the next is read. */
  get parser(): MailParser {
    this.mailParser ??= createMailParser({
      ...{ threads: 1, timeoutMs: replayParseTimeoutMs, inPlaceBytesMax: replayInPlaceBytesMax },
    });
    return this.mailParser;
  }

  /** As owner, one connection for each schema that is written at a time. */
  target(databaseUrl: string, connections: number): Pool {
    let pool = this.targets.get(databaseUrl);
    if (pool === undefined) {
      pool = loaderPool(databaseUrl, connections);
      this.targets.set(databaseUrl, pool);
    }
    return pool;
  }

  async close(): Promise<void> {
    await this.mailParser?.close();
    await Promise.all([this.keys, ...this.targets.values()].map((pool) => pool.end()));
  }
}
