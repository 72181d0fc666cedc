import PostalMime, { addressParser, Attachment, Email, Mailbox } from 'postal-mime';
import { normaliseMessageId, parseMessageIds } from '../../../domain/message-identity';
import { collectLinesInMemory } from './line-collector';
import { mailCaps, MailRefused } from './mail-caps';
import { readMailDate } from './mail-date';
import { fingerprintOf, sha256 } from './mail-fingerprint';
import { readableMail } from './mail-lines';
import { fieldName, OutlinePart, outlineMail } from './mail-outline';
import { previewOf } from './mail-preview';
import { messageTypeOf } from './message-type';
import { MailAddress, MailParseResult, ParsedAttachment, ParsedMail } from './parsed-mail';
import { storableLine, storableText } from './storable-text';

export type { ParkReason } from './mail-caps';
export type { MailAddress, MailParseResult, ParsedAttachment, ParsedMail } from './parsed-mail';

/** Raised whenever the same bytes may give another ParsedMail: rows derived by an older one are then rebuilt. */
export const parserVersion = 1;

collectLinesInMemory();

/**
 * Reads one message. Never throws: bytes that are no mail, exceed mailCaps or defeat the parser come back parked with
 * a reason. Time and memory are limited by mail-parser.ts, which runs this in a worker thread.
 */
export async function parseMail(raw: Uint8Array): Promise<MailParseResult> {
  try {
    return { outcome: 'parsed', mail: await readMail(readableMail(raw)) };
  } catch (error) {
    const reason = error instanceof MailRefused ? error.reason : 'parse-failed';
    return {
      outcome: 'parked',
      reason,
      detail: storableLine(error instanceof Error ? error.message : String(error)).slice(0, 200),
    };
  }
}

async function readMail(bytes: Buffer): Promise<ParsedMail> {
  const outline = outlineMail(bytes);
  const email = await PostalMime.parse(bytes, {
    // A forwarded message stays whole: its text is not what the sender of this one wrote, and it may nest without end.
    forceRfc822Attachments: true,
    maxNestingDepth: mailCaps.depthMax,
    maxHeadersSize: mailCaps.headerBytesMax,
  });
  const { text, html, attachments } = contentOf(email, bytes.subarray(outline.bodyStart));
  const mail = { ...envelopeOf(email, outline.parts), text, html, attachments };
  return {
    ...mail,
    preview: previewOf(mail.text, mail.html),
    fingerprint: fingerprintOf(mail, outline.parts),
  };
}

type Envelope = Omit<ParsedMail, 'text' | 'html' | 'attachments' | 'preview' | 'fingerprint'>;

function envelopeOf(email: Email, outline: OutlinePart[]): Envelope {
  // The first of a repeated field counts, as in the parser: a second one is how readers are made to disagree.
  const header = (name: string): string => email.headers.find(({ key }) => key === name)?.value ?? '';
  const addresses = (name: string): MailAddress[] => readAddresses(header(name));
  const from = addresses('from');
  const recipients = { to: addresses('to'), cc: addresses('cc'), bcc: addresses('bcc') };
  checkRecipients(recipients);
  const { messageType, autoSubmitted } = messageTypeOf(header, outline, from[0]?.address ?? '');
  return {
    messageIdHeader: normaliseMessageId(storableText(header('message-id'))),
    inReplyTo: parseMessageIds(storableText(header('in-reply-to'))).slice(0, mailCaps.referencesMax),
    references: cutReferences(parseMessageIds(storableText(header('references')))),
    from,
    sender: addresses('sender'),
    replyTo: addresses('reply-to'),
    to: recipients.to,
    cc: recipients.cc,
    bcc: recipients.bcc,
    subject: storableLine(email.subject ?? ''),
    sentAt: readMailDate(header('date')),
    messageType,
    autoSubmitted,
    listId: readListId(header('list-id')),
    headers: email.headers
      .filter(({ originalKey }) => fieldName.test(`${originalKey}:`))
      .map(({ originalKey, value }) => ({ name: originalKey, value: storableText(value) })),
  };
}

function contentOf(email: Email, body: Buffer): Pick<ParsedMail, 'text' | 'html' | 'attachments'> {
  const attachments = email.attachments.map(readAttachment);
  const html = email.html === undefined ? null : storableText(email.html);
  if (email.text !== undefined) return { text: storableText(email.text), html, attachments };
  // A multipart whose delimiter never comes has no parts, yet what it says is readable: bounces of some old systems.
  const isLost = html === null && attachments.length === 0;
  return { text: isLost ? storableText(body.toString('utf8')).trim() || null : null, html, attachments };
}

function readAddresses(value: string): MailAddress[] {
  const mailboxes = addressParser(value, { flatten: true }) as Mailbox[];
  return mailboxes.filter(({ address }) => address !== '').map(readAddress);
}

function readAddress({ name, address }: Mailbox): MailAddress {
  const line = storableLine(address);
  const at = line.lastIndexOf('@');
  return {
    name: storableLine(name) || null,
    address: at < 0 ? line : `${line.slice(0, at)}@${line.slice(at + 1).toLowerCase()}`,
  };
}

function checkRecipients({ to, cc, bcc }: Pick<ParsedMail, 'to' | 'cc' | 'bcc'>): void {
  const recipients = to.length + cc.length + bcc.length;
  if (recipients > mailCaps.recipientsMax) {
    throw new MailRefused(
      'too-many-recipients',
      `${recipients} recipients, more than ${mailCaps.recipientsMax}`,
    );
  }
}

function cutReferences(ids: string[]): string[] {
  if (ids.length <= mailCaps.referencesMax) return ids;
  return [...ids.slice(0, 1), ...ids.slice(1 - mailCaps.referencesMax)];
}

/** RFC 2919: the id stands in angle brackets behind an optional phrase. */
function readListId(value: string): string | null {
  const id = /<([^<>]*)>/.exec(value)?.[1] ?? value;
  return storableLine(id).toLowerCase() || null;
}

function readAttachment(attachment: Attachment): ParsedAttachment {
  const content = bytesOf(attachment.content);
  const isInline = attachment.disposition === 'inline' || attachment.related === true;
  return {
    filename: attachment.filename === null ? null : storableLine(attachment.filename) || null,
    mimeType: /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(attachment.mimeType)
      ? attachment.mimeType.toLowerCase()
      : 'application/octet-stream',
    sizeBytes: content.byteLength,
    disposition: isInline ? 'inline' : 'attachment',
    contentId: storableLine(attachment.contentId ?? '').replace(/^<|>$/g, '') || null,
    sha256: sha256(content),
    content,
  };
}

function bytesOf(content: Attachment['content']): Uint8Array {
  if (typeof content === 'string') return Buffer.from(content);
  return content instanceof Uint8Array ? content : new Uint8Array(content);
}
