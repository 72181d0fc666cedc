const headerBytesMax = 256 * 1_024;

/**
 * When a mail that is imported once came in: the time of its topmost Received field, else of its Date field; ISO-8601.
 * `null` where neither can be read or it lies in the future: a sender's wrong clock must not sort above today's mail.
 */
export function receivedAtOf(raw: Buffer, now: Date): string | null {
  const header = headerText(raw);
  const received = fieldBody(header, 'received');
  return (
    timeOf(received?.slice(received.lastIndexOf(';') + 1), now) ?? timeOf(fieldBody(header, 'date'), now)
  );
}

/** The date of an mbox "From " line: `From sender Fri Feb 22 23:00:00 2008`, with or without a zone, UTC without. */
export function receivedAtOfMboxLine(line: string, now: Date): string | null {
  const match = /(\w{3} +\d{1,2} \d{2}:\d{2}:\d{2})(?: (?:[A-Z]{3,4}))? (\d{4})(?: ([+-]\d{4}))?\s*$/.exec(
    line,
  );
  return match ? timeOf(`${match[1] ?? ''} ${match[2] ?? ''} ${match[3] ?? '+0000'}`, now) : null;
}

function headerText(raw: Buffer): string {
  const text = raw.toString('latin1', 0, headerBytesMax).replace(/\r\n?/g, '\n');
  const end = text.indexOf('\n\n');
  return (end < 0 ? text : text.slice(0, end)).replace(/\n[ \t]+/g, ' ');
}

function fieldBody(header: string, name: string): string | undefined {
  return header
    .split('\n')
    .find((line) => line.slice(0, name.length + 1).toLowerCase() === `${name}:`)
    ?.slice(name.length + 1);
}

function timeOf(text: string | undefined, now: Date): string | null {
  // Comments such as "(CET)" repeat the zone; Date.parse reads what remains in the forms that mail uses.
  const time = Date.parse((text ?? '').replace(/\([^)]*\)/g, '').trim());
  return Number.isNaN(time) || time <= 0 || time > now.getTime() ? null : new Date(time).toISOString();
}
