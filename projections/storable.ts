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

/**
 * The one spelling of a time that rows hold and that texts may be compared in. Throws RangeError for what is no time,
 * which parks the conversation.
 */
export function instant(isoTime: string): string {
  return new Date(isoTime).toISOString();
}
