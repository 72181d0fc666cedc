import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { AnyTable } from '../../../../projections/projection';
import { copiedColumns, RowEncoder, type RowToCopy } from './row-encoder';

/**
 * Writes rows by one COPY in the caller's transaction; they must be new to the table. Resolves to their number. The client
 * logs in as the owner of a table that {@link bareTables} has made ready: COPY goes around row-level security or not at all.
 * Throws NotEncodable, or what PostgreSQL refuses; the transaction is then of no use.
 */
export async function copyRows(
  client: ClientBase,
  schema: string,
  table: AnyTable,
  rows: Iterable<RowToCopy>,
): Promise<number> {
  return copyChunks(client, schema, table, encoded(table, rows));
}

function* encoded(table: AnyTable, rows: Iterable<RowToCopy>): Generator<Uint8Array> {
  const encoder = new RowEncoder(table);
  for (const row of rows) {
    encoder.add(row);
    yield* encoder.takeFull();
  }
  yield* encoder.takeLast();
}

/**
 * Rows of several tables that come mixed: each is encoded at once, so what is held are bytes and no objects, until they are
 * sent with one COPY per table.
 */
export class CopyBuffer {
  private readonly encoders = new Map<AnyTable, RowEncoder>();

  /** What is held, over all tables. */
  get bytes(): number {
    return [...this.encoders.values()].reduce((sum, encoder) => sum + encoder.bytes, 0);
  }

  /** Throws NotEncodable. */
  add(table: AnyTable, row: RowToCopy): void {
    let encoder = this.encoders.get(table);
    if (encoder === undefined) this.encoders.set(table, (encoder = new RowEncoder(table)));
    encoder.add(row);
  }

  /** Empties the buffer into the tables; see {@link copyRows}. Resolves to the rows written by table. */
  async send(client: ClientBase, schema: string): Promise<Record<string, number>> {
    const rows: Record<string, number> = {};
    for (const [table, encoder] of this.encoders)
      rows[table.name] = await copyChunks(client, schema, table, encoder.takeLast());
    this.encoders.clear();
    return rows;
  }
}

async function copyChunks(
  client: ClientBase,
  schema: string,
  table: AnyTable,
  chunks: Iterable<Uint8Array>,
): Promise<number> {
  const columns = copiedColumns(table).map((name) => `"${name}"`);
  const copy = client.query(
    copyFrom(`copy ${schema}.${table.name} (${columns.join(', ')}) from stdin (format binary)`),
  );
  await pipeline(Readable.from(chunks), copy);
  return copy.rowCount;
}
