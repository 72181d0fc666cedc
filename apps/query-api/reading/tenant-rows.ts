import type { PoolClient, QueryConfig, QueryResult, QueryResultRow } from 'pg';
import { partHolding } from '../../shared/generations/placement';
import { withTenant } from '../../shared/postgres/transaction';
import type { Place } from './cursor';
import { lastPlace, mergedPage, pageStatement, rowsStatement, type ListedRow, type Listing } from './listing';
import type { JsonPage } from './row-json';
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
    return rowsOfEach(this.parts, find);
  }

  /**
   * A page over all parts. Of one part, PostgreSQL writes the whole page. Of several, those that serve few of the slots they
   * hold are asked last, and only for what the page still has room for: else they would go through all the rows of a tenant
   * to find some of a slot.
   */
  async page(listing: Listing): Promise<JsonPage> {
    const [first, ...others] = this.parts;
    if (first !== undefined && others.length === 0) {
      const { name, text, values } = pageStatement(listing, first);
      const [page] = await first.query<JsonPage>(name, text, values);
      return page ?? { items: '[]', next: null };
    }
    const rowsOf = (parts: readonly PartRows[], last: Place | null): Promise<ListedRow[]> =>
      rowsOfEach(parts, (part) => {
        const { name, text, values } = rowsStatement(listing, part, last);
        return part.query<ListedRow>(name, text, values);
      });
    const widest = widestOf(this.parts);
    const isFirst = (part: PartRows): boolean => part.isWhole || part === widest;
    const found = mergedPage(listing, await rowsOf(this.parts.filter(isFirst), null));
    const rest = this.parts.filter((part) => !isFirst(part));
    const more = await rowsOf(rest, lastPlace(listing, found));
    const merged = mergedPage(listing, [...found, ...more]);
    const { limit } = listing;
    return {
      items: `[${merged
        .slice(0, limit)
        .map(({ item }) => item)
        .join(', ')}]`,
      next: merged.length > limit ? (merged[limit - 1]?.place ?? null) : null,
    };
  }
}

async function rowsOfEach<Row>(
  parts: readonly PartRows[],
  find: (part: PartRows) => Promise<readonly Row[]>,
): Promise<Row[]> {
  return (await Promise.all(parts.map(find))).flat();
}

function widestOf(parts: readonly PartRows[]): PartRows | undefined {
  const width = ({ ranges }: PartRows): number =>
    ranges.reduce((slots, { from, to }) => slots + to - from + 1, 0);
  return [...parts].sort((one, other) => width(other) - width(one))[0];
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
