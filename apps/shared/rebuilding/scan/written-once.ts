import type { Pool, PoolClient } from 'pg';
import type { AnyTable, RowOperation } from '../../../../projections/projection';
import { covers } from '../../generations/coverage';
import type { RowToCopy, TargetToLoad } from '../contracts';
import { CopyBuffer } from '../load/copy-rows';
import { isDone, unitDone } from '../load/load-units';

/** Sent together; more gains nothing. */
const bytesPerCopy = 512 * 1024;

/**
 * Rows of written-once tables on their way from one range into one target: by COPY, in one transaction with the unit of the
 * range, so that a range that is read again writes nothing twice.
 */
export class RangeCopy {
  private buffer = new CopyBuffer();
  private readonly rows: Record<string, number> = {};
  private client: PoolClient | null = null;
  private isDoneBefore = false;

  constructor(
    private readonly target: TargetToLoad,
    private readonly pool: Pool,
    private readonly unit: string,
  ) {}

  /** Takes the row if the target holds it. Throws NotEncodable for a value that no column takes. */
  add(table: AnyTable, row: RowToCopy): void {
    if (covers(this.target.coverage, row)) this.buffer.add(table, row);
  }

  get isFull(): boolean {
    return this.buffer.bytes >= bytesPerCopy;
  }

  async send(): Promise<void> {
    if (this.client === null) await this.begin();
    if (this.client === null) return;
    const sent = await this.buffer.send(this.client, this.target.schema);
    for (const [table, rows] of Object.entries(sent)) this.rows[table] = (this.rows[table] ?? 0) + rows;
  }

  async commit(): Promise<void> {
    if (this.buffer.bytes > 0) await this.send();
    const { client } = this;
    if (client === null) return;
    await unitDone(client, this.target.schema, this.unit, this.rows);
    await client.query('commit');
    this.client = null;
    client.release();
  }

  /** Closes the connection: PostgreSQL rolls back, whatever state it is in. */
  abandon(): void {
    this.client?.release(true);
    this.client = null;
  }

  private async begin(): Promise<void> {
    if (this.isDoneBefore) {
      this.buffer = new CopyBuffer();
      return;
    }
    const client = await this.pool.connect();
    this.client = client;
    if (await isDone(client, this.target.schema, this.unit)) {
      this.isDoneBefore = true;
      this.client = null;
      client.release();
      this.buffer = new CopyBuffer();
      return;
    }
    await client.query('begin');
  }
}

/** The row that an operation on a written-once table makes. Throws what the fold throws. */
export function rowOf({ tenantId, slot, fold }: RowOperation, position: bigint): RowToCopy | null {
  const row = fold(null);
  return row === null ? null : { tenantId, slot, position, row };
}
