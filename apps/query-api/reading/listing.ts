import { placeInText, type Place } from './cursor';
import { jsonPage } from './row-json';

/** A list that is read page by page, in the order of the places of its rows. */
export interface Listing {
  /** To be prepared under; `null`: planned for its values. */
  readonly name: string | null;
  readonly order: 'ascending' | 'descending';
  /** The column that is ordered by, ties by `id`. */
  readonly time: string;
  /** Where the page before has ended. */
  readonly behind: Place | null;
  readonly limit: number;
  /** $1 is the tenant, $2 the limit, and these follow. */
  readonly values: readonly unknown[];
  /**
   * A select of `limit + 1` rows with the columns `place` (placeOf) and `item` (JSON), in order. `within` goes to the end of
   * the conditions on the table that is listed: it keeps out what lies before the page, or is served elsewhere.
   */
  readonly select: (from: { readonly schema: string; readonly within: string }) => string;
}

export interface ListedRow {
  /** JSON. */
  readonly item: string;
  readonly place: string;
  readonly [column: string]: unknown;
}

export interface Statement {
  readonly name: string | null;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** As PartRows has it. */
interface Where {
  readonly tenantId: string;
  readonly schema: string;
  readonly served: () => string;
}

/** One row: the whole page, written by PostgreSQL (jsonPage). */
export function pageStatement(listing: Listing, part: Where): Statement {
  const { name, text, values } = selectStatement(listing, part, null);
  return { name, text: jsonPage(text, '$2::int'), values };
}

/** `limit + 1` rows to be merged with those of other parts; of rows behind `last` the page needs none. */
export function rowsStatement(listing: Listing, part: Where, last: Place | null): Statement {
  const { name, text, values } = selectStatement(listing, part, last);
  return {
    name: name === null ? null : `${name}-merged`,
    text: `select item::text as item, place from (${text}) listed`,
    values,
  };
}

function selectStatement(
  { name, order, time, behind, limit, values, select }: Listing,
  { tenantId, schema, served }: Where,
  last: Place | null,
): Statement {
  const parameters: unknown[] = [tenantId, limit, ...values];
  const bound = (is: string, place: Place | null): string =>
    place === null
      ? ''
      : ` and (${time}, id) ${is} ($${parameters.push(place.time)}::timestamptz, $${parameters.push(place.id)}::uuid)`;
  const [after, upTo] = order === 'ascending' ? ['>', '<='] : ['<', '>='];
  const within = `${served()}${bound(after, behind)}${bound(upTo, last)}`;
  return {
    name: name === null || behind === null ? name : `${name}-on`,
    text: select({ schema, within }),
    values: parameters,
  };
}

/** Of one page, what the parts have found. */
export function mergedPage({ order, limit }: Listing, found: readonly ListedRow[]): readonly ListedRow[] {
  // A place begins with its time in one width and ends with an id, so text has the order of the rows.
  const sign = order === 'ascending' ? 1 : -1;
  const inOrder = [...found].sort((one, other) => (one.place < other.place ? -sign : sign));
  return inOrder.slice(0, limit + 1);
}

/** The place that ends a full page with one more; `null` while rows are missing. */
export function lastPlace({ limit }: Listing, merged: readonly ListedRow[]): Place | null {
  const last = merged[limit];
  return last === undefined ? null : placeInText(last.place);
}
