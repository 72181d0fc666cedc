import type { Pool } from 'pg';
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
import type { OwnerPools } from '../owner-pools';

const keyTimeoutMs = 10_000;

/** {@link LogToRead} for threads. */
export interface LogAccess extends Pick<LogToRead, 'keysDatabaseUrl' | 'rootKey'> {
  readonly connection: ConnectionSettings;
}

/** What a reader holds open while it reads range after range. */
export class ReaderConnections {
  readonly store: BulkReader;
  private readonly keys: Pool;
  private mailParser: MailParser | null = null;

  /** @param owners of the targets it writes to; whoever has made them closes them. */
  constructor(
    { connection, keysDatabaseUrl, rootKey }: LogAccess,
    readonly owners: OwnerPools,
  ) {
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

  async close(): Promise<void> {
    await this.mailParser?.close();
    await this.keys.end();
  }
}
