import type { Client, Connection, Submittable } from 'pg';
import { revisionText } from './log-queries';
import type { EncodedGroup } from './group-encoding';

/** A stream that was taken to be new has events or metadata. Nothing was written. */
export class StreamIsKnown extends Error {
  override readonly name = 'StreamIsKnown';
}

const streamIsKnownCode = 'MF002';
const statements = {
  'check-new-streams': 'select refuse_known_streams($1)',
  'copy-rows': 'copy appends (pos, stream, rev, n, frames) from stdin (format binary)',
  'insert-row': 'insert into appends (pos, stream, rev, n, frames) values ($1, $2, $3, $4, $5)',
  'insert-row-of-new-stream': `insert into appends (pos, stream, rev, n, frames)
    select $1, $2, $3, $4, $5
    where not exists (select from appends where stream = $2 and n > 0)
      and not exists (select from appends where stream = '$$' || $2 and n > 0)`,
};
type StatementName = keyof typeof statements;

/** Makes the server know the statements of {@link commitGroup}; once per session. */
export function prepareGroupCommit(client: Client): Promise<unknown> {
  return run(client, (connection) => {
    for (const [name, text] of Object.entries(statements)) connection.parse({ name, text, types: [] }, true);
  });
}

/**
 * Writes all rows and commits, in one round trip: the messages of the extended query protocol up to a Sync are one
 * transaction. `newStreams` were not looked up, because their appends expect no stream: the server checks that they have
 * neither events nor metadata before it writes anything, and the promise rejects with {@link StreamIsKnown} otherwise.
 */
export async function commitGroup(
  client: Client,
  group: EncodedGroup,
  newStreams: readonly string[],
): Promise<void> {
  const [only] = group.rows;
  if (only === undefined) return;
  if (group.rows.length > 1) return copyRows(client, group, newStreams);
  // Cheaper than COPY for one row, and able to check by itself.
  const name: StatementName = newStreams.length > 0 ? 'insert-row-of-new-stream' : 'insert-row';
  const values = [only.position, only.streamName, revisionText(only.revision), only.count, only.frames];
  const rowCount = await run(client, (connection) => execute(connection, name, values));
  if (rowCount === 0) throw new StreamIsKnown();
}

async function copyRows(client: Client, group: EncodedGroup, newStreams: readonly string[]): Promise<void> {
  try {
    await run(client, (connection) => {
      if (newStreams.length > 0) execute(connection, 'check-new-streams', [textArray(newStreams)]);
      execute(connection, 'copy-rows', []);
      // Without waiting to be asked: after an error the server skips everything up to the Sync.
      connection.stream.write(group.copyData);
    });
  } catch (error) {
    const isKnown = error instanceof Error && 'code' in error && error.code === streamIsKnownCode;
    throw isKnown ? new StreamIsKnown() : error;
  }
}

function execute(
  connection: Connection,
  statement: StatementName,
  values: readonly (string | number | Buffer)[],
): void {
  const texts = values.map((value) => (typeof value === 'number' ? String(value) : value));
  connection.bind({ statement, values: texts }, true);
  connection.execute(null, true);
}

function textArray(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

/** Sends what `send` writes and a Sync at once. Resolves to the row count of the last statement, after its COMMIT. */
function run(client: Client, send: (connection: Connection) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    client.query(new Pipeline(send, resolve, reject));
  });
}

/** The driver calls these as the server's answers come in; it has no type for them. */
class Pipeline implements Submittable {
  private rowCount = 0;

  /** The driver puts its own in place of this to hear that its query timeout is over. */
  callback = (): void => undefined;

  constructor(
    private readonly send: (connection: Connection) => void,
    private readonly resolve: (rowCount: number) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  submit(connection: Connection): void {
    connection.stream.cork();
    this.send(connection);
    connection.sync();
    connection.stream.uncork();
  }

  handleError(error: Error): void {
    this.callback();
    this.reject(error);
  }

  /** `text` is the command tag, such as `INSERT 0 1` or `COPY 20`. */
  handleCommandComplete({ text }: { readonly text: string }): void {
    this.rowCount = Number(text.slice(text.lastIndexOf(' ') + 1));
  }

  handleReadyForQuery(): void {
    this.callback();
    this.resolve(this.rowCount);
  }

  handleDataRow(): void {
    // The check returns an empty row.
  }

  handleCopyInResponse(): void {
    // The data is on its way already.
  }
}
