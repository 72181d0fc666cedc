/** PostgreSQL text holds neither NUL nor half a surrogate pair: each becomes U+FFFD, so that no mail breaks a write. */
export function storableText(text: string): string {
  return text.replace(/[\0\p{Surrogate}]/gu, '\uFFFD');
}

/** One line of storable text: every run of whitespace is one space, none at the ends. */
export function storableLine(text: string): string {
  return storableText(text).replace(/\s+/g, ' ').trim();
}
