const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

// RFC 5322 §4.3: the names RFC 822 defined. Every other name says nothing about the zone and counts as UTC.
const zoneHours: Record<string, number> = {
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7,
};

const rfc5322 = /^(?:[a-z]+\.?,?\s*)?(\d{1,2})[\s-]+([a-z]{3})[a-z]*\.?,?[\s-]+(\d{2,4})(?:,?\s+(.*))?$/i;
const asctime = /^(?:[a-z]{3,9},?\s+)?([a-z]{3})[a-z]*\s+(\d{1,2})\s+(\d{1,2}[:.]\d{2}\S*)\s+(.*)$/i;
const iso8601 = /^(\d{4})-(\d{2})-(\d{2})(?:[T\s](.*))?$/i;
const clock = /^(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2})(?:\.\d+)?)?\s*(.*)$/;

interface CalendarDay {
  year: number;
  month: number;
  day: number;
}

/**
 * The instant a Date header names, as ISO-8601 UTC; null when it names none. Reads RFC 5322, its obsolete forms,
 * asctime and ISO 8601. Unlike `new Date(text)` it never falls back to the time zone of the machine: the same mail
 * must give the same instant on every one.
 */
export function readMailDate(value: string): string | null {
  const text = value
    .slice(0, 200)
    .replace(/\([^()]*\)/g, ' ')
    .replace(/\s+/g, ' ')
    .replace(/ ?: ?/g, ':')
    .trim();
  const read = readRfc5322(text) ?? readAsctime(text) ?? readIso8601(text);
  if (read === null) return null;
  const { year, month, day } = read.on;
  const instant = Date.UTC(year, month, day) + read.offsetMs;
  const isDayOfMonth = new Date(Date.UTC(year, month, day)).getUTCDate() === day;
  return isDayOfMonth && year >= 1900 && year <= 9998 ? new Date(instant).toISOString() : null;
}

function readRfc5322(text: string): { on: CalendarDay; offsetMs: number } | null {
  const match = rfc5322.exec(text);
  if (match === null) return null;
  return dated(fullYear(match[3]), monthOf(match[2]), match[1], match[4] ?? '');
}

function readAsctime(text: string): { on: CalendarDay; offsetMs: number } | null {
  const match = asctime.exec(text);
  if (match === null) return null;
  // "2003" and "EST 2003" and "2003 +0100" all occur behind the time.
  const year = /\b(\d{4})\b(?!:)/.exec((match[4] ?? '').replace(/[+-]\d{4}/, ''))?.[1];
  const zone = (match[4] ?? '').replace(year ?? '', '').trim();
  return dated(Number(year), monthOf(match[1]), match[2], `${match[3]} ${zone}`);
}

function readIso8601(text: string): { on: CalendarDay; offsetMs: number } | null {
  const match = iso8601.exec(text);
  if (match === null) return null;
  return dated(Number(match[1]), Number(match[2]) - 1, match[3], match[4] ?? '');
}

function dated(
  year: number,
  month: number,
  dayText: string | undefined,
  timeText: string,
): { on: CalendarDay; offsetMs: number } | null {
  const time = timeText.trim() === '' ? ['', '0', '0', '0', ''] : clock.exec(timeText.trim());
  if (time === null || !Number.isInteger(year) || month < 0 || month > 11) return null;
  const [hours, minutes, seconds] = [Number(time[1]), Number(time[2]), Number(time[3] ?? 0)];
  if (hours > 24 || minutes > 59 || seconds > 60) return null;
  const offsetMinutes = zoneMinutes(time[4] ?? '');
  const offsetMs = ((hours * 60 + minutes - offsetMinutes) * 60 + Math.min(seconds, 59)) * 1_000;
  return { on: { year, month, day: Number(dayText) }, offsetMs };
}

function zoneMinutes(zone: string): number {
  const numeric = /([+-])(\d{2}):?(\d{2})/.exec(zone);
  if (numeric !== null) {
    const minutes = Number(numeric[2]) * 60 + Number(numeric[3]);
    return numeric[1] === '-' ? -minutes : minutes;
  }
  return (zoneHours[/[a-z]+/i.exec(zone)?.[0].toUpperCase() ?? ''] ?? 0) * 60;
}

function monthOf(name: string | undefined): number {
  return months.indexOf((name ?? '').slice(0, 3).toLowerCase());
}

/** RFC 5322 §4.3: two digits below 50 mean 20xx; two others and three digits count from 1900. */
function fullYear(digits: string | undefined): number {
  const year = Number(digits);
  if ((digits ?? '').length >= 4) return year;
  return year < 50 && (digits ?? '').length === 2 ? 2000 + year : 1900 + year;
}
