export interface MboxMessage {
  /** Where its "From " line starts in the mbox, in bytes. Reading from here finds this message again. */
  offset: number;
  /** Where the next message starts: the place to go on from after this one is done. */
  nextOffset: number;
  /** "From sender date", without its line end. */
  fromLine: string;
  /** What follows that line up to the next one, ">From " unquoted, the blank line that ends an entry included. */
  raw: Uint8Array;
}

/** The bytes do not begin as an mbox, or not at the start of a message. */
export class NotAnMbox extends Error {
  override readonly name = 'NotAnMbox';
}

export interface SplitMboxOptions {
  /** The position of the first byte of `source`, an `offset` or `nextOffset` of an earlier run. */
  startOffset?: number;
  /** Bytes of a message beyond this are skipped: more than any server accepts, so that size is still what refuses it. */
  messageBytesMax?: number;
}

interface Entry {
  offset: number;
  fromLine: string;
  lines: Buffer[];
  bytes: number;
}

/**
 * The messages of an mbox (RFC 4155, with the reversible ">From " quoting of mboxrd), one in memory at a time. A message
 * begins at a "From " line that carries a date and stands first or behind a blank line, so that a sentence of a body
 * that happens to begin with "From " begins none.
 * @throws NotAnMbox when the first line that is not blank is no "From " line.
 */
export async function* splitMbox(
  source: AsyncIterable<Uint8Array>,
  { startOffset = 0, messageBytesMax = 64 * 1024 * 1024 }: SplitMboxOptions = {},
): AsyncGenerator<MboxMessage> {
  let offset = startOffset;
  let entry: Entry | null = null;
  let isAfterBlank = true;
  for await (const line of linesOf(source)) {
    const isBlank = isBlankLine(line);
    if (isAfterBlank && startsMessage(line, entry === null)) {
      if (entry !== null) yield finished(entry, offset);
      entry = { offset, fromLine: line.toString('latin1').trimEnd(), lines: [], bytes: 0 };
    } else if (entry !== null) {
      append(entry, line, messageBytesMax);
    } else if (!isBlank) {
      throw new NotAnMbox(`No "From " line at byte ${offset}`);
    }
    isAfterBlank = isBlank;
    offset += line.length;
  }
  if (entry !== null) yield finished(entry, offset);
}

const lf = 0x0a;
const fromMark = Buffer.from('From ');
const fromLineBytesMax = 1_000;

/** Lines with their ends. A line across many chunks is put together once, when its end is there. */
async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  for await (const piece of source) {
    const chunk = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let start = 0;
    for (let end = chunk.indexOf(lf); end >= 0; end = chunk.indexOf(lf, start)) {
      pieces.push(chunk.subarray(start, end + 1));
      yield joined(pieces);
      pieces = [];
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
  if (pieces.length > 0) yield joined(pieces);
}

function joined(pieces: Buffer[]): Buffer {
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}

function isBlankLine(line: Buffer): boolean {
  return line[0] === lf || (line[0] === 0x0d && line[1] === lf);
}

function startsMessage(line: Buffer, isFirst: boolean): boolean {
  if (!line.subarray(0, fromMark.length).equals(fromMark)) return false;
  // Some tools write no date at all; at the very start nothing else can be meant.
  return isFirst || / \d{1,2}:\d{2}.* \d{4}\b/.test(line.toString('latin1', 0, fromLineBytesMax));
}

function append(entry: Entry, line: Buffer, messageBytesMax: number): void {
  if (entry.bytes > messageBytesMax) return;
  const unquoted = isQuotedFrom(line) ? line.subarray(1) : line;
  entry.bytes += unquoted.length;
  entry.lines.push(unquoted);
}

function isQuotedFrom(line: Buffer): boolean {
  if (line[0] !== 0x3e) return false;
  let quotes = 1;
  while (line[quotes] === 0x3e) quotes += 1;
  return line.subarray(quotes, quotes + fromMark.length).equals(fromMark);
}

function finished({ offset, fromLine, lines }: Entry, nextOffset: number): MboxMessage {
  return { offset, nextOffset, fromLine, raw: Buffer.concat(lines) };
}
