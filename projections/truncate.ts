/** The first `lengthMax` characters of a value for a column of that width; a character beyond the BMP counts once and stays whole. */
export function truncate(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return text;
  return Array.from(text).slice(0, lengthMax).join('');
}
