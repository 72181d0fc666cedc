const lf = 0x0a;
const cr = 0x0d;

/**
 * The bytes as a parser expects them: an mbox "From " line and blank lines at the start are gone, and a mail whose
 * lines end in CR alone has LF instead, since parsers otherwise see one endless header line (reliability.md B4).
 * CRLF and LF stay as they are. The stored raw bytes are never touched: this is a reading of them.
 */
export function readableMail(raw: Uint8Array): Buffer {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  const withLf = endsLinesWithCr(bytes) ? bareCrToLf(bytes) : bytes;
  return withoutMboxLine(withoutLeadingBlankLines(withLf));
}

/** The line that starts at `start`, without its end, and where the next one starts. Bytes read as Latin-1. */
export function lineAt(bytes: Buffer, start: number): { text: string; next: number } {
  const end = lineEnd(bytes, start);
  const textEnd = end > start && bytes[end - 1] === cr ? end - 1 : end;
  return { text: bytes.toString('latin1', start, textEnd), next: end + 1 };
}

/** Where the line that starts at `start` ends: at its LF, or at the end of the bytes. */
export function lineEnd(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(lf, start);
  return end < 0 ? bytes.length : end;
}

function endsLinesWithCr(bytes: Buffer): boolean {
  const firstCr = bytes.indexOf(cr);
  if (firstCr < 0 || bytes[firstCr + 1] === lf) return false;
  const firstLf = bytes.indexOf(lf);
  if (firstLf < 0) return true;
  // A stray CR inside a line is no line end: CR ends lines only if a header field or its continuation follows.
  return (
    firstCr < firstLf &&
    /^(?:[!-9;-~]+[ \t]*:|[ \t])/.test(bytes.toString('latin1', firstCr + 1, firstCr + 200))
  );
}

function bareCrToLf(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(cr); at >= 0; at = copy.indexOf(cr, at + 1)) {
    if (copy[at + 1] !== lf) copy[at] = lf;
  }
  return copy;
}

function withoutLeadingBlankLines(bytes: Buffer): Buffer {
  let start = 0;
  while (bytes[start] === lf || bytes[start] === cr) start += 1;
  return bytes.subarray(start);
}

function withoutMboxLine(bytes: Buffer): Buffer {
  return /^>?From /.test(bytes.toString('latin1', 0, 6)) ? bytes.subarray(lineEnd(bytes, 0) + 1) : bytes;
}
