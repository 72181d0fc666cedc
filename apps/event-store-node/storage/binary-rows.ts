import type { ClientBase, Connection, Pool, Submittable } from 'pg';
import type { LogRow } from '../log/log-row';

/** COPY's signature, flags and length of the header extension, which PostgreSQL leaves empty. */
const copyHeaderSize = 19;

/**
 * Rows of a query that selects `pos, stream, rev, n, frames`, in COPY's binary format: the driver takes results as text only,
 * and `bytea` as text is twice its size. `query` is sent as it is: it may hold numbers of ours, never a client's text.
 */
export async function readBinaryRows(pool: Pool, query: string): Promise<LogRow[]> {
  const client = await pool.connect();
  try {
    const rows = await copyOut(client, query);
    client.release();
    return rows;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

function copyOut(client: ClientBase, query: string): Promise<LogRow[]> {
  return new Promise((resolve, reject) => {
    client.query(new CopyOut(`copy (${query}) to stdout (format binary)`, resolve, reject));
  });
}

/** The driver calls these as the server's answers come in; it has no type for them. */
class CopyOut implements Submittable {
  private readonly rows: LogRow[] = [];
  private isFirst = true;

  /** The driver puts its own in place of this to hear that its query timeout is over. */
  callback = (): void => undefined;

  constructor(
    private readonly text: string,
    private readonly resolve: (rows: LogRow[]) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  submit(connection: Connection): void {
    connection.query(this.text);
  }

  /** One row, with the header before the first; or the trailer. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    const start = this.isFirst ? copyHeaderSize : 0;
    this.isFirst = false;
    if (chunk.length > start && chunk.readInt16BE(start) >= 0) this.rows.push(decodeRow(chunk, start));
  }

  handleError(error: Error): void {
    this.callback();
    this.reject(error);
  }

  handleReadyForQuery(): void {
    this.callback();
    this.resolve(this.rows);
  }

  handleCommandComplete(): void {
    // The end is what counts.
  }
}

/** Field count, then each field behind its length: bigint, text, bigint, integer, bytea. */
function decodeRow(tuple: Buffer, start: number): LogRow {
  const position = readBigint(tuple, start + 6);
  const nameAt = start + 18;
  const nameEnd = nameAt + tuple.readInt32BE(start + 14);
  const revision = readBigint(tuple, nameEnd + 4);
  const count = tuple.readInt32BE(nameEnd + 16);
  // A copy: the driver uses the memory again.
  const frames = Buffer.from(tuple.subarray(nameEnd + 24, nameEnd + 24 + tuple.readInt32BE(nameEnd + 20)));
  return { position, streamName: tuple.toString('utf8', nameAt, nameEnd), revision, count, frames };
}

/** Exact below 2^53; the tombstone's 2^63 - 1 becomes 2^63. */
function readBigint(source: Buffer, at: number): number {
  return source.readUInt32BE(at) * 2 ** 32 + source.readUInt32BE(at + 4);
}
