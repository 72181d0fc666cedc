import { invalidFields } from '../../shared/http/problem';
import type { JsonPage } from './row-json';
import { Representation } from './representation';

/** Where a page ends: the next one begins behind it, so rows that come or go shift nothing. */
export interface Place {
  /** ISO-8601, microseconds. */
  readonly time: string;
  readonly id: string;
}

const placePattern =
  /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z)\|([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** Problem `invalid-fields` for text that {@link cursorOf} has not made. */
export function placeOfCursor(cursor: string | undefined): Place | null {
  if (cursor === undefined) return null;
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const place = placeInText(text);
  if (place === null || cursorOf(text) !== cursor) {
    throw invalidFields([{ field: 'cursor', detail: 'must be the nextCursor of an earlier page' }]);
  }
  return place;
}

/** What the SQL of placeOf has written; `null` for anything else. */
export function placeInText(text: string): Place | null {
  const [, time, id] = placePattern.exec(text) ?? [];
  return time === undefined || id === undefined || !isMoment(time) ? null : { time, id };
}

/** Opaque to clients, so that what a list is ordered by can change. */
export function cursorOf(place: string): string {
  return Buffer.from(place, 'latin1').toString('base64url');
}

export function nextCursorOf({ next }: Pick<JsonPage, 'next'>): string {
  return JSON.stringify(next === null ? null : cursorOf(next));
}

/** `{"items":[…],"nextCursor":…}` of a page that PostgreSQL has written as text. */
export function pageOf({ items, next }: JsonPage): Representation {
  return new Representation(`{"items":${items},"nextCursor":${nextCursorOf({ next })}}`);
}

/** The 31st of February has the form of a day and would be an error of the database. */
function isMoment(time: string): boolean {
  const milliseconds = Date.parse(time);
  return (
    !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString().slice(0, 19) === time.slice(0, 19)
  );
}
