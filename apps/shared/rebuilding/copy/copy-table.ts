import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ClientBase } from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import type { AnyTable } from '../../../../projections/projection';
import { copiedColumns } from '../load/row-encoder';

export interface TableToCopy {
  readonly table: AnyTable;
  /** Sees the snapshot; a role that policies let read all rows. */
  readonly from: { readonly client: ClientBase; readonly schema: string; readonly rows: string };
  /** In the transaction of the target; the table is bare. */
  readonly into: { readonly client: ClientBase; readonly schema: string };
}

export interface CopyPace {
  readonly signal: AbortSignal;
  /** Awaited after each {@link bytesPerPace}. */
  readonly pace?: () => Promise<void>;
  readonly onBytes?: (count: number) => void;
}

const bytesPerPace = 1024 * 1024;

/**
 * Streams rows from one table into another in PostgreSQL's binary format, unopened; what is held does not grow with the
 * table. Resolves to the number of rows. After an error neither connection is of use.
 */
export async function copyTable({ table, from, into }: TableToCopy, pace: CopyPace): Promise<number> {
  const columns = copiedColumns(table)
    .map((name) => `"${name}"`)
    .join(', ');
  const source = from.client.query(
    copyTo(
      `copy (select ${columns} from ${from.schema}.${table.name} where ${from.rows}) to stdout (format binary)`,
    ),
  );
  const sink = into.client.query(
    copyFrom(`copy ${into.schema}.${table.name} (${columns}) from stdin (format binary)`),
  );
  await pipeline(source, counted(pace), sink, { signal: pace.signal });
  return sink.rowCount;
}

function counted({ pace, onBytes }: CopyPace): Transform {
  let unpaced = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onBytes?.(chunk.length);
      unpaced += chunk.length;
      if (pace === undefined || unpaced < bytesPerPace) return done(null, chunk);
      unpaced = 0;
      pace().then(() => done(null, chunk), done);
    },
  });
}
