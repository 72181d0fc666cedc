/** SQL for a timestamptz as the API writes it: ISO-8601, UTC, milliseconds. */
export function isoTime(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** SQL for the place of a row in a list, in full precision: what a cursor holds. */
export function placeOf(time: string, id: string): string {
  return `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '|' || ${id}`;
}

/** SQL for one JSON object: keys are field names of the API, values SQL expressions. */
export function jsonObject(fields: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(fields).map(([name, expression]) => `'${name}', ${expression}`);
  return `json_build_object(${pairs.join(', ')})`;
}

/**
 * SQL that turns `page`, a select of `limit + 1` rows with the columns `place` and `item` in list order, into one row:
 * `items` (JSON array of at most `limit`, as text) and `next` (the place to go on from, null on the last page).
 */
export function jsonPage(page: string, limitParameter: string): string {
  return `
    select coalesce(json_agg(item order by number) filter (where number <= ${limitParameter}), '[]')::text as items,
           case when count(*) > ${limitParameter} then max(place) filter (where number = ${limitParameter}) end as next
    from (select item, place, row_number() over () as number from (${page}) listed) numbered`;
}

export interface JsonPage {
  readonly items: string;
  readonly next: string | null;
  readonly [column: string]: unknown;
}
