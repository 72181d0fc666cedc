const microsecondsPerMs = 1_000;
const msPerDay = 86_400_000;
/** PostgreSQL counts from 2000-01-01, days since 1970. */
const epochDay = 10_957;

/** Days since 2000-01-01 of a date `YYYY-MM-DD`; null for any other spelling and for what is no date. */
export function daysOf(text: string): number | null {
  return text.length === 10 ? dayAt(text) : null;
}

/** Microseconds since 2000-01-01 of `YYYY-MM-DDTHH:MM:SS.mmmZ`, as instant() spells it; null for anything else. */
export function microsecondsOf(text: string): number | bigint | null {
  if (text.length !== 24 || text[10] !== 'T' || text[13] !== ':' || text[16] !== ':') return null;
  if (text[19] !== '.' || text[23] !== 'Z') return null;
  const day = dayAt(text);
  const hour = number(text, 11, 13);
  const minute = number(text, 14, 16);
  const second = number(text, 17, 19);
  const ms = number(text, 20, 23);
  if (day === null || hour > 23 || minute > 59 || second > 59 || ms > 999) return null;
  if (hour < 0 || minute < 0 || second < 0 || ms < 0) return null;
  const total = day * msPerDay + ((hour * 60 + minute) * 60 + second) * 1_000 + ms;
  const microseconds = total * microsecondsPerMs;
  return Number.isSafeInteger(microseconds) ? microseconds : BigInt(total) * BigInt(microsecondsPerMs);
}

function dayAt(text: string): number | null {
  if (text[4] !== '-' || text[7] !== '-') return null;
  const year = number(text, 0, 4);
  const month = number(text, 5, 7);
  const day = number(text, 8, 10);
  // PostgreSQL has no year 0.
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null;
  return civilDay(year, month, day) - epochDay;
}

/** -1 unless all characters are digits. */
function number(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

const monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysIn(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 && isLeap ? 29 : (monthLengths[month - 1] ?? 0);
}

/** Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March so that a leap day is the last. */
function civilDay(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
