/**
 * The first `lengthMax` characters as PostgreSQL counts them (code points), for a varchar column: a long value must not
 * stop its conversation. The whole of it stays in the content tier (C-29).
 */
export function truncated(text: string, lengthMax: number): string {
  // A code point is at most two units, so most texts need no walk.
  if (text.length <= lengthMax) return text;
  return Array.from(text.slice(0, 2 * lengthMax))
    .slice(0, lengthMax)
    .join('');
}

/** Times that are in that spelling already; of the last days of a month the calendar decides. */
const canonical = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

/**
 * The one spelling of a time that rows hold and that texts may be compared in. Throws RangeError for what is no time,
 * which parks the conversation.
 */
export function instant(isoTime: string): string {
  // Nearly all are: to look costs a twentieth of the way through a Date, and a fold asks several times.
  return canonical.test(isoTime) ? isoTime : new Date(isoTime).toISOString();
}
