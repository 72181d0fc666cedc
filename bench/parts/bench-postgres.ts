import { escapeIdentifier } from 'pg';
import { queryAsSuperuser, startTestPostgres } from '../../test/support/postgres';
import type { RowContext } from '../harness/row';

/** One server for both sides of a row, with the settings `npm start` gives it and a database per run. */
export interface BenchPostgres {
  readonly pid: number;
  url(database: string): string;
  /** An empty database, or a copy of `template`; resolves to its URL after a CHECKPOINT. */
  create(database: string, template?: string): Promise<string>;
  /** Dropped, so that no vacuum of it runs while the other side is measured. */
  drop(database: string): Promise<void>;
}

export async function startBenchPostgres(context: RowContext): Promise<BenchPostgres> {
  const postgres = await startTestPostgres();
  context.onClose(() => postgres.stop());
  const url = (database: string): string => postgres.server.url(database);
  const query = (sql: string): Promise<object[]> => queryAsSuperuser(url('postgres'), sql);
  return {
    pid: postgres.server.pid,
    url,
    create: async (database, template) => {
      const copied =
        template === undefined ? '' : ` template ${escapeIdentifier(template)} strategy file_copy`;
      await query(`create database ${escapeIdentifier(database)}${copied}`);
      await query('checkpoint');
      return url(database);
    },
    drop: async (database) => {
      await query(`drop database if exists ${escapeIdentifier(database)} with (force)`);
    },
  };
}
