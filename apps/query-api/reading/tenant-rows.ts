import type { PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg';
import { partHolding } from '../../shared/generations/placement';
import { withTenant } from '../../shared/postgres/transaction';
import { jsonPage, type JsonPage } from './row-json';
import { onlyServed, type TargetPart } from './target-parts';
import type { TierDatabase } from './tier-database';

/** The rows of a tenant in one target. */
export interface PartRows extends TargetPart {
  readonly tenantId: string;
  /** To qualify tables with. */
  readonly schema: string;
  /**
   * Condition on `column` for what is read by something else than its entity's id: the target may hold rows that another
   * one serves. '' where it serves all it holds.
   */
  readonly served: (column?: string) => string;
  /**
   * A statement is prepared once per connection under its name; without one it is planned anew for its values. That is also
   * so while only some of the target's slots are served, which does not last.
   */
  readonly query: <Row extends QueryResultRow>(
    name: string | null,
    text: string,
    values: readonly unknown[],
  ) => Promise<Row[]>;
}

/** A list that is read page by page, in the order of the places of its rows. */
export interface Listing {
  readonly name: string | null;
  readonly order: 'ascending' | 'descending';
  readonly limit: number;
  /**
   * A select of `limit + 1` rows with the columns `place` (placeOf) and `item` (JSON), in order. $1 is the tenant, $2 the
   * limit, and what `values` has follows.
   */
  readonly select: (part: Pick<PartRows, 'schema' | 'served'>) => string;
  readonly values: readonly unknown[];
}

/** The rows of one tenant in all parts that a read was opened on. */
export class TenantRows {
  constructor(
    readonly tenantId: string,
    private readonly parts: readonly PartRows[],
  ) {}

  /** Where the rows of an entity are: its own, and those that belong to it. */
  holding(entityId: string): PartRows {
    const [first, ...others] = this.parts;
    return first !== undefined && others.length === 0
      ? first
      : partHolding(this.parts, this.tenantId, entityId);
  }

  /** What each part finds, in no order. */
  async each<Row>(find: (part: PartRows) => Promise<readonly Row[]>): Promise<Row[]> {
    return (await Promise.all(this.parts.map(find))).flat();
  }

  /** A page over all parts. Of one part, PostgreSQL writes the whole page. */
  async page({ name, order, limit, select, values }: Listing): Promise<JsonPage> {
    const parameters = [this.tenantId, limit, ...values];
    const [first, ...others] = this.parts;
    if (first !== undefined && others.length === 0) {
      const [page] = await first.query<JsonPage>(name, jsonPage(select(first), '$2::int'), parameters);
      return page ?? { items: '[]', next: null };
    }
    const found = await this.each((part) =>
      part.query<{ item: string; place: string }>(
        name === null ? null : `${name}-merged`,
        `select item::text as item, place from (${select(part)}) listed`,
        parameters,
      ),
    );
    // A place begins with its time in one width and ends with an id, so text has the order of the rows.
    const sign = order === 'ascending' ? 1 : -1;
    found.sort((one, other) => (one.place < other.place ? -sign : sign));
    const shown = found.slice(0, limit);
    return {
      items: `[${shown.map(({ item }) => item).join(', ')}]`,
      next: found.length > limit ? (shown.at(-1)?.place ?? null) : null,
    };
  }
}

/**
 * Runs `work` in one transaction per database, each one snapshot of the tenant's rows only. Connections are taken in one
 * order by everybody, so that reads that hold one and want another cannot wait for each other in a circle.
 */
export async function readParts<T>(
  parts: readonly (TargetPart & { readonly database: TierDatabase })[],
  tenantId: string,
  work: (rows: TenantRows) => Promise<T>,
): Promise<T> {
  const databases = [...new Set(parts.map(({ database }) => database))];
  databases.sort((one, other) => (one.databaseRef < other.databaseRef ? -1 : 1));
  const sessions = new Map<TierDatabase, Session>();
  const open = async ([database, ...others]: readonly TierDatabase[]): Promise<T> => {
    if (database === undefined) {
      const rows = parts.map((part) => partRows(part, tenantId, sessions.get(part.database)));
      return work(new TenantRows(tenantId, rows));
    }
    return withTenant(
      database.pool,
      tenantId,
      (client) => {
        sessions.set(database, inTurn(client));
        return open(others);
      },
      { readOnly: true, isolation: 'repeatable read' },
    );
  };
  return open(databases);
}

type Session = <Row extends QueryResultRow>(query: QueryConfig) => Promise<QueryResult<Row>>;

/** One statement at a time; none after one that failed, which has ended the transaction. */
function inTurn(client: PoolClient): Session {
  let turn: Promise<unknown> = Promise.resolve();
  return <Row extends QueryResultRow>(query: QueryConfig) => {
    const answer = turn.then(() => client.query<Row>(query));
    turn = answer;
    return answer;
  };
}

function partRows(part: TargetPart, tenantId: string, session: Session | undefined): PartRows {
  if (session === undefined) throw new Error(`No connection to where ${part.target.schema} lies`);
  const { target, ranges, isWhole } = part;
  return {
    ...{ target, ranges, isWhole, tenantId, schema: target.schema },
    served: (column) => onlyServed(part, column),
    query: async <Row extends QueryResultRow>(
      name: string | null,
      text: string,
      values: readonly unknown[],
    ) => {
      const prepared = name === null || !isWhole ? {} : { name: `${target.schema}.${name}` };
      return (await session<Row>({ ...prepared, text, values: [...values] })).rows;
    },
  };
}
