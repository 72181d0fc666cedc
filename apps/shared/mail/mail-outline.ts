import { mailCaps, MailRefused } from './mail-caps';
import { lineAt, lineEnd } from './mail-lines';

/** One node of the MIME tree in document order; the message itself has depth 0. */
export interface OutlinePart {
  depth: number;
  /** Content type without parameters, lower case. */
  type: string;
}

export interface MailOutline {
  parts: OutlinePart[];
  /** Offset of the first byte behind the header block of the message. */
  bodyStart: number;
}

/** A header field has printable ASCII before the colon (RFC 5322 §3.6.8); blanks before it are an old habit (§4.5). */
export const fieldName = /^([!-9;-~]+)[ \t]*:/;

interface OpenMultipart {
  boundary: string;
  depth: number;
  /** What a part without a Content-Type is (RFC 2046 §5.1.5). */
  partType: string;
}

interface Scan {
  bytes: Buffer;
  position: number;
  headerBytes: number;
  open: OpenMultipart[];
  parts: OutlinePart[];
}

/**
 * Walks the lines of a mail once and returns its MIME tree before any parser allocates for it. Linear in the size:
 * a line of a body is looked at only when it starts with "--".
 * @throws MailRefused when the mail has no header field at all or exceeds one of mailCaps.
 */
export function outlineMail(bytes: Buffer): MailOutline {
  const scan: Scan = { bytes, position: 0, headerBytes: 0, open: [], parts: [] };
  readPart(scan, 0, 'text/plain');
  const bodyStart = scan.position;
  while (scan.position < bytes.length) {
    if (bytes[scan.position] !== 0x2d || bytes[scan.position + 1] !== 0x2d) {
      scan.position = lineEnd(bytes, scan.position) + 1;
      continue;
    }
    const { text, next } = lineAt(bytes, scan.position);
    scan.position = next;
    const multipart = closeUpTo(scan, text);
    if (multipart !== null) readPart(scan, multipart.depth + 1, multipart.partType);
  }
  return { parts: scan.parts, bodyStart };
}

/** Ends what the delimiter line ends. Returns the multipart in which a part begins, or null when none begins. */
function closeUpTo({ open }: Scan, line: string): OpenMultipart | null {
  const found = findDelimited(open, line);
  if (found === null) return null;
  open.length = found.isEnd ? found.index : found.index + 1;
  return found.isEnd ? null : (open[found.index] ?? null);
}

/** The innermost multipart wins; a delimiter of an outer one is heeded too (RFC 2046 §5.1.2). */
function findDelimited(open: OpenMultipart[], line: string): { index: number; isEnd: boolean } | null {
  const delimiter = line.slice(2).trimEnd();
  for (let index = open.length - 1; index >= 0; index -= 1) {
    const boundary = open[index]?.boundary;
    if (delimiter === boundary) return { index, isEnd: false };
    if (delimiter === `${boundary}--`) return { index, isEnd: true };
  }
  return null;
}

function readPart(scan: Scan, depth: number, defaultType: string): void {
  if (depth > mailCaps.depthMax)
    throw new MailRefused('too-deep', `more than ${mailCaps.depthMax} levels of parts`);
  if (scan.parts.length >= mailCaps.partsMax) {
    throw new MailRefused('too-many-parts', `more than ${mailCaps.partsMax} parts`);
  }
  const contentType = readContentType(scan) ?? defaultType;
  const type = /[^\s;"]+/.exec(contentType)?.[0].toLowerCase() ?? defaultType;
  scan.parts.push({ depth, type });
  const boundary = type.startsWith('multipart/') ? boundaryOf(contentType) : null;
  const partType = type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
  if (boundary !== null) scan.open.push({ boundary, depth, partType });
}

/** Reads one header block and returns its unfolded Content-Type: the first, as the parser takes it. */
function readContentType(scan: Scan): string | null {
  const start = scan.position;
  const lines: string[] = [];
  let fields = 0;
  let isContentType = false;
  while (scan.position < scan.bytes.length) {
    const { text, next } = lineAt(scan.bytes, scan.position);
    // A delimiter ends a header block that has no blank line; outlineMail reads it next.
    if (text.startsWith('--') && findDelimited(scan.open, text) !== null) break;
    scan.headerBytes += text.length;
    scan.position = next;
    if (text === '') break;
    const name = fieldName.exec(text)?.[1]?.toLowerCase();
    if (name !== undefined) fields += 1;
    if (!/^[ \t]/.test(text)) isContentType = name === 'content-type' && lines.length === 0;
    if (isContentType) lines.push(text);
    checkHeaderBlock(scan, scan.position - start, fields);
  }
  if (scan.parts.length === 0 && fields === 0) throw new MailRefused('not-mime', 'no header field at all');
  return lines.length === 0 ? null : lines.join('').replace(fieldName, '');
}

function checkHeaderBlock({ parts, headerBytes }: Scan, blockBytes: number, fields: number): void {
  const isMessage = parts.length === 0;
  // Whether this is a header at all is told at its end, and is the better reason.
  if (isMessage && fields === 0) return;
  if (isMessage && blockBytes > mailCaps.headerBlockBytesMax) {
    throw new MailRefused('header-too-large', `header block over ${mailCaps.headerBlockBytesMax} bytes`);
  }
  if (headerBytes > mailCaps.headerBytesMax) {
    throw new MailRefused(
      'header-too-large',
      `header blocks of all parts over ${mailCaps.headerBytesMax} bytes`,
    );
  }
  if (fields > mailCaps.headersMax) {
    throw new MailRefused('too-many-headers', `more than ${mailCaps.headersMax} header fields`);
  }
}

function boundaryOf(contentType: string): string | null {
  const match = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/i.exec(contentType);
  const boundary = match?.[1]?.replace(/\\(.)/g, '$1') ?? match?.[2];
  return boundary === undefined || boundary === '' ? null : boundary.trimEnd();
}
