import type { Pool, PoolClient } from 'pg';
import type { AnyTable, RowOperation } from '../../../../projections/projection';
import { covers } from '../../generations/coverage';
import type { RowToCopy, TargetToLoad } from '../contracts';
import { CopyBuffer } from '../load/copy-rows';
import { isDone, unitDone } from '../load/load-units';
import { NotEncodable } from '../load/row-encoder';
import { makeScratch, moveRows, scratch } from '../load/upsert-bucket';
import { applyOperations, isPoison } from '../../projecting/row-writer';

/** Sent together; more gains nothing. */
const bytesPerCopy = 512 * 1024;

/** Rows of one range on their way into one target. */
export interface RangeWriter {
  readonly isFull: boolean;
  /** Why PostgreSQL refuses rows of an event, where that can be said before {@link add}. */
  refusal(operations: readonly RowOperation[], position: bigint): Promise<string | null> | null;
  add(table: AnyTable, row: RowToCopy): void;
  send(): Promise<void>;
  commit(): Promise<void>;
  /** Nothing of it stays. */
  abandon(): void;
}

/**
 * Rows of written-once tables on their way from one range into one target: by COPY, in one transaction with the unit of the
 * range, so that a range that is read again writes nothing twice.
 */
export class RangeCopy implements RangeWriter {
  private buffer = new CopyBuffer();
  private readonly rows: Record<string, number> = {};
  private client: PoolClient | null = null;
  private isDoneBefore = false;

  constructor(
    private readonly target: TargetToLoad,
    private readonly pool: Pool,
    private readonly unit: string,
  ) {}

  /** It comes out with the COPY. */
  refusal(): null {
    return null;
  }

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

/**
 * The slow way of a range whose COPY was refused: each event goes through the lanes' own writer into temporary tables, so
 * that the one that is to blame is known, and the rows go from there into the target with the unit.
 */
export class CheckedCopy implements RangeWriter {
  readonly isFull = false;
  private readonly tables = new Set<AnyTable>();
  private client: PoolClient | null = null;

  constructor(
    private readonly target: TargetToLoad,
    private readonly pool: Pool,
    private readonly unit: string,
  ) {}

  async refusal(operations: readonly RowOperation[], position: bigint): Promise<string | null> {
    const ours = operations.filter((operation) => covers(this.target.coverage, operation));
    if (ours.length === 0) return null;
    const client = await this.begun();
    for (const { table } of ours) {
      if (this.tables.has(table)) continue;
      await makeScratch(client, this.target.schema, table);
      this.tables.add(table);
    }
    await client.query('savepoint event');
    try {
      await applyOperations(
        client,
        scratch,
        ours.map((operation) => ({ position, operation })),
      );
      await client.query('release savepoint event');
      return null;
    } catch (error) {
      if (!isPoison(error)) throw error;
      await client.query('rollback to savepoint event');
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** They were written when they were checked. */
  add(): void {}

  async send(): Promise<void> {}

  async commit(): Promise<void> {
    const { client, unit } = this;
    const { schema } = this.target;
    if (client === null) return;
    if (await isDone(client, schema, unit)) return this.abandon();
    const rows: Record<string, number> = {};
    for (const table of this.tables) rows[table.name] = await moveRows(client, schema, table);
    await unitDone(client, schema, unit, rows);
    await client.query('commit');
    this.client = null;
    client.release();
  }

  abandon(): void {
    this.client?.release(true);
    this.client = null;
  }

  private async begun(): Promise<PoolClient> {
    if (this.client === null) {
      this.client = await this.pool.connect();
      await this.client.query('begin');
      await this.client.query('set local idle_in_transaction_session_timeout = 0');
    }
    return this.client;
  }
}

/** Whether COPY has refused a row for what is in it, and {@link CheckedCopy} can tell whose it is. */
export function isRefusal(error: unknown): boolean {
  return error instanceof NotEncodable || isPoison(error);
}

/** The row that an operation on a written-once table makes. Throws what the fold throws. */
export function rowOf({ tenantId, slot, fold }: RowOperation, position: bigint): RowToCopy | null {
  const row = fold(null);
  return row === null ? null : { tenantId, slot, position, row };
}
