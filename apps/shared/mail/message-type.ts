import { OutlinePart } from './mail-outline';
import { ParsedMail } from './parsed-mail';

type FirstHeader = (name: string) => string;

/**
 * Whether a person, a mail system or an autoresponder wrote a mail. Reads structure and headers only: what a bounce
 * says about which recipient is a question of its own.
 */
export function messageTypeOf(
  header: FirstHeader,
  outline: OutlinePart[],
  fromAddress: string,
): Pick<ParsedMail, 'messageType' | 'autoSubmitted'> {
  if (isBounce(header, outline, fromAddress)) return { messageType: 'bounce', autoSubmitted: true };
  if (isAutoReply(header, outline)) return { messageType: 'auto_reply', autoSubmitted: true };
  const autoSubmitted = /^\s*auto-/i.test(header('auto-submitted')) || hasNullReturnPath(header);
  return { messageType: 'email', autoSubmitted };
}

/** RFC 3464, or what systems older than it send: a report from the mail system under the null return path. */
function isBounce(header: FirstHeader, outline: OutlinePart[], fromAddress: string): boolean {
  // A delivery status deeper inside belongs to a mail that somebody forwarded.
  if (outline.some(({ depth, type }) => depth <= 1 && type === 'message/delivery-status')) return true;
  const contentType = header('content-type');
  if (
    /^\s*multipart\/report\b/i.test(contentType) &&
    /report-type\s*=\s*"?delivery-status/i.test(contentType)
  )
    return true;
  // Mail systems of the 1990s sign with the bare name, or with the name before "<>".
  if (/^mailer-daemon(?:@|$)/i.test(fromAddress) || /^\W*mailer-daemon\b/i.test(header('from'))) return true;
  return /^postmaster(?:@|$)/i.test(fromAddress) && hasNullReturnPath(header);
}

/** RFC 3834 §5, receipts of RFC 8098, and what vacation programs wrote before or beside them. */
function isAutoReply(header: FirstHeader, outline: OutlinePart[]): boolean {
  return (
    /^\s*auto-replied\b/i.test(header('auto-submitted')) ||
    outline.some(({ depth, type }) => depth <= 1 && type === 'message/disposition-notification') ||
    /^\s*auto_reply\b/i.test(header('precedence')) ||
    /^\s*auto_reply\b/i.test(header('x-precedence')) ||
    // Exchange names its automatic replies in the language of their writer alone; this is what stays the same.
    (hasNullReturnPath(header) && header('x-auto-response-suppress') !== '') ||
    ['x-autoreply', 'x-autorespond', 'x-autoresponder', 'x-vacation'].some((name) => header(name) !== '')
  );
}

/** RFC 5321 §4.5.5: only notifications and automatic replies have it, and nothing may answer them. */
function hasNullReturnPath(header: FirstHeader): boolean {
  return /^\s*<\s*>\s*$/.test(header('return-path'));
}
