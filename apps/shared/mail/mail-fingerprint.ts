import { createHash } from 'node:crypto';
import { OutlinePart } from './mail-outline';
import { ParsedAttachment, ParsedMail } from './parsed-mail';

/**
 * Sha256 (hex) of what the sender wrote: addresses, date, subject, MIME structure and decoded parts (events.md §4.5).
 * What a hop adds or changes leaves it equal: trace headers, line ends, transfer encodings. It is recorded in events
 * and compared for ever, so a change here makes redeliveries of old mail look new: add a second one instead.
 */
export function fingerprintOf(
  mail: Omit<ParsedMail, 'fingerprint' | 'preview'>,
  outline: OutlinePart[],
): string {
  const canonical = [
    addressesOf(mail.from),
    addressesOf(mail.to),
    addressesOf(mail.cc),
    mail.sentAt ?? mail.headers.find(({ name }) => name.toLowerCase() === 'date')?.value ?? '',
    mail.subject,
    outline.map(({ depth, type }) => `${depth} ${type}`),
    canonicalText(mail.text ?? ''),
    canonicalText(mail.html ?? ''),
    mail.attachments.map((part) => [
      part.filename ?? '',
      part.mimeType,
      part.contentId ?? '',
      digestOf(part),
    ]),
  ];
  return sha256(JSON.stringify(canonical));
}

/** Lower-case hex. */
export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function addressesOf(list: { address: string }[]): string[] {
  return list.map(({ address }) => address);
}

function canonicalText(text: string): string {
  return text.replace(/\r\n?/g, '\n').trimEnd();
}

/** Hops rewrite line ends of text, and text is what a forwarded message and an .ics are too. */
function digestOf({ mimeType, sha256: digest, content }: ParsedAttachment): string {
  if (!/^(?:text|message)\//.test(mimeType)) return digest;
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1');
  return sha256(canonicalText(text));
}
