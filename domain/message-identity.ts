// A line of a mail holds at most 998 characters (RFC 5322 §2.1.1), so a longer id is noise, and too wide for an index.
const messageIdLengthMax = 998;

/**
 * The one spelling of a Message-ID that streams are named after: no angle brackets, comments or whitespace, no quotes
 * around the left part (RFC 5256 §2.2), the domain in lower case and the left part as it is (RFC 5321 §2.4).
 * Accepts a header value or a bare id; null when nothing is left or when it is longer than a line of a mail may be.
 */
export function normaliseMessageId(raw: string): string | null {
  // A normalised id is its own normal form, even where a parenthesis belongs to it.
  if (!/[\s<]/.test(raw)) return canonicalId(raw);
  const bare = withoutComments(raw);
  const [bracketed] = bare.matchAll(bracketedId);
  return canonicalId(bracketed?.[1] ?? bare);
}

/**
 * The ids of a References or In-Reply-To value, in their order, each once. Tolerates the phrases of RFC 822 between
 * them, missing closing brackets and, where no bracket is there at all, bare ids. Linear in the length of the value:
 * such headers reach 575 KB in attacks (reliability.md B4).
 */
export function parseMessageIds(headerValue: string): string[] {
  const bare = withoutComments(headerValue);
  const bracketed = Array.from(bare.matchAll(bracketedId), (match) => match[1] ?? '');
  // Without brackets only an @ tells an id from the words around it.
  const candidates =
    bracketed.length > 0 ? bracketed : bare.split(/[\s,;]/).filter((word) => word.includes('@'));
  return [...new Set(candidates.map(canonicalId).filter((id) => id !== null))];
}

/**
 * The base subject of RFC 5256 §2.1 of an already decoded subject: without reply and forward marks, list tags and
 * "(fwd)". `isReply` tells whether a reply or forward mark was taken away. Linear in the length of the subject.
 */
export function baseSubject(subject: string): { base: string; isReply: boolean } {
  const text = subject.replace(/[\s\0]+/g, ' ');
  let start = 0;
  let end = text.length;
  let isReply = false;
  for (;;) {
    const trailer = skipTrailers(text, start, end);
    const leader = skipLeaders(text, start, trailer.end);
    isReply ||= trailer.removed || leader.removed;
    [start, end] = [leader.start, trailer.end];
    const isWrapped = end - start >= 6 && startsWithWord(text, start, '[fwd:') && text[end - 1] === ']';
    if (!isWrapped) return { base: text.slice(start, end), isReply };
    [start, end, isReply] = [start + '[fwd:'.length, end - 1, true];
  }
}

// Each attempt stops at the next bracket, so that the whole scan reads every character at most twice.
const bracketedId = /<([^<>]*)(?:>|$)/g;

/** Drops "(…)" outside angle brackets. An unclosed "(" is text: it must not swallow the ids behind it. */
function withoutComments(value: string): string {
  const kept: string[] = [];
  const opened: number[] = [];
  let isInBrackets = false;
  for (const char of value) {
    if (char === '<') isInBrackets = true;
    if (char === '>') isInBrackets = false;
    if (char === '(' && !isInBrackets) opened.push(kept.length);
    const commentStart = char === ')' && !isInBrackets ? opened.pop() : undefined;
    if (commentStart === undefined) kept.push(char);
    else kept.length = commentStart;
  }
  return kept.join('');
}

function canonicalId(raw: string): string | null {
  // Whitespace inside an id comes from folding a long line; control characters cannot be stored.
  const id = raw.replace(/[\s\u0000-\u001f\u007f<>]+/g, '');
  if (id === '' || id.length > messageIdLengthMax) return null;
  const at = id.lastIndexOf('@');
  if (at < 0) return id;
  return `${unquoted(id.slice(0, at))}@${id.slice(at + 1).toLowerCase()}`;
}

function unquoted(left: string): string {
  // Quotes that protect a quote or a backslash stay: taking them off once more must change nothing.
  return /^"[^"\\]+"$/.test(left) ? left.slice(1, -1) : left;
}

function skipTrailers(text: string, start: number, from: number): { end: number; removed: boolean } {
  let end = from;
  let removed = false;
  for (;;) {
    if (end > start && text[end - 1] === ' ') end -= 1;
    else if (end - start >= '(fwd)'.length && startsWithWord(text, end - '(fwd)'.length, '(fwd)')) {
      end -= '(fwd)'.length;
      removed = true;
    } else return { end, removed };
  }
}

function skipLeaders(text: string, from: number, end: number): { start: number; removed: boolean } {
  let start = from;
  let removed = false;
  for (;;) {
    start = skipSpaces(text, start, end);
    const blobs = skipBlobs(text, start, end);
    const afterMark = skipReplyMark(text, blobs.end, end);
    if (afterMark === null) {
      // List tags go too, unless the subject consists of nothing else: then the last one is the subject.
      return { start: blobs.end < end ? blobs.end : blobs.lastStart, removed };
    }
    start = afterMark;
    removed = true;
  }
}

/** Reads a run of "[…]" tags once, so that a thousand of them cost no more than their length. */
function skipBlobs(text: string, start: number, end: number): { end: number; lastStart: number } {
  let position = start;
  let lastStart = start;
  for (;;) {
    const next = skipBlob(text, position, end);
    if (next === position) return { end: position, lastStart };
    lastStart = position;
    position = next;
  }
}

function skipBlob(text: string, start: number, end: number): number {
  if (start >= end || text[start] !== '[') return start;
  for (let position = start + 1; position < end; position += 1) {
    if (text[position] === '[') return start;
    if (text[position] === ']') return skipSpaces(text, position + 1, end);
  }
  return start;
}

/** The position after "re", "fw" or "fwd", an optional tag and the colon; null when there is no such mark. */
function skipReplyMark(text: string, start: number, end: number): number | null {
  const word = ['fwd', 'fw', 're'].find((mark) => startsWithWord(text, start, mark));
  if (word === undefined) return null;
  const colon = skipBlob(text, skipSpaces(text, start + word.length, end), end);
  return colon < end && text[colon] === ':' ? colon + 1 : null;
}

function skipSpaces(text: string, start: number, end: number): number {
  let position = start;
  while (position < end && text[position] === ' ') position += 1;
  return position;
}

function startsWithWord(text: string, position: number, word: string): boolean {
  return text.slice(position, position + word.length).toLowerCase() === word;
}
