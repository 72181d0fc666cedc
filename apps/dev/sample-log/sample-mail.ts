import { createHash } from 'node:crypto';
import { fingerprintOf } from '../../shared/mail/mail-fingerprint';
import type { OutlinePart } from '../../shared/mail/mail-outline';
import { previewOf } from '../../shared/mail/mail-preview';
import type { MailAddress, ParsedAttachment, ParsedMail } from '../../shared/mail/parsed-mail';
import type { Random } from './random';

/** What a mail of the sample is to say. Ids are without angle brackets, all header text is ASCII. */
export interface MailToWrite {
  readonly messageId: string;
  /** Oldest first; the last one is also In-Reply-To. */
  readonly references: readonly string[];
  readonly from: MailAddress;
  readonly to: MailAddress;
  readonly subject: string;
  /** Milliseconds since 1970; a Date header has whole seconds. */
  readonly sentAtMs: number;
  readonly isAutoReply: boolean;
}

/** A mail with what reading it gives: the sample need not parse what it has just composed. */
export interface SampleMail {
  readonly raw: Buffer;
  readonly parsed: Pick<
    ParsedMail,
    | 'from'
    | 'to'
    | 'cc'
    | 'subject'
    | 'sentAt'
    | 'preview'
    | 'fingerprint'
    | 'messageType'
    | 'autoSubmitted'
    | 'attachments'
  >;
}

interface Body {
  readonly text: string;
  readonly html: string | null;
  readonly attachments: readonly ParsedAttachment[];
}

const shares = { html: 0.2, attachment: 0.1 } as const;
const words =
  `order invoice delivery parcel account password login error update question answer printer battery
  refund contract address payment receipt week today tomorrow please thank since after before again still never
  always colour größe straße café naïve screen button page number customer team station train ticket garden`
    .split(/\s+/)
    .filter((word) => word !== '');

export function writeMail(mail: MailToWrite, random: Random): SampleMail {
  const body = bodyOf(random);
  const sentAt = new Date(Math.floor(mail.sentAtMs / 1_000) * 1_000).toISOString();
  const parsed = {
    ...{ from: [mail.from], to: [mail.to], cc: [], subject: mail.subject, sentAt },
    ...(mail.isAutoReply
      ? ({ messageType: 'auto_reply', autoSubmitted: true } as const)
      : ({ messageType: 'email', autoSubmitted: false } as const)),
    ...{ text: body.text, html: body.html, attachments: [...body.attachments] },
  };
  const boundary = createHash('sha256').update(mail.messageId).digest('hex').slice(0, 32);
  const fingerprint = fingerprintOf({ ...parsed, ...unread }, outlineOf(body));
  return {
    raw: Buffer.from([...headerLines(mail, sentAt), ...bodyLines(body, boundary), ''].join('\r\n'), 'utf8'),
    parsed: { ...parsed, preview: previewOf(body.text, body.html), fingerprint },
  };
}

/** Fields that have no part in a fingerprint of a mail that has a date. */
const unread = {
  ...{ messageIdHeader: null, inReplyTo: [], references: [], headers: [], listId: null },
  ...{ sender: [], replyTo: [], bcc: [] },
};

function bodyOf(random: Random): Body {
  const text = paragraphs(random);
  return {
    text,
    html: random.chance(shares.html)
      ? `<html><body><p>${text.replaceAll('\n\n', '</p><p>')}</p></body></html>`
      : null,
    attachments: random.chance(shares.attachment) ? [attachment(random)] : [],
  };
}

function paragraphs(random: Random): string {
  const sentence = (): string => {
    const line = Array.from({ length: random.between(5, 14) }, () => random.pick(words)).join(' ');
    return `${line.charAt(0).toUpperCase()}${line.slice(1)}.`;
  };
  const paragraph = (): string => Array.from({ length: random.between(1, 4) }, sentence).join('\n');
  return Array.from({ length: random.between(1, 5) }, paragraph).join('\n\n');
}

function attachment(random: Random): ParsedAttachment {
  const content = Buffer.alloc(random.between(200, 4_000));
  for (let at = 0; at < content.length; at++) content[at] = random.between(0, 255);
  return {
    ...{
      filename: `${random.pick(words)?.replace(/[^a-z]/g, '') ?? ''}.bin`,
      mimeType: 'application/octet-stream',
    },
    ...{ sizeBytes: content.length, disposition: 'attachment', contentId: null },
    ...{ sha256: createHash('sha256').update(content).digest('hex'), content },
  };
}

function headerLines(
  { messageId, references, from, to, subject, isAutoReply }: MailToWrite,
  sentAt: string,
): string[] {
  const parent = references.at(-1);
  return [
    `From: ${addressText(from)}`,
    `To: ${addressText(to)}`,
    `Subject: ${subject}`,
    `Date: ${new Date(sentAt).toUTCString()}`,
    `Message-ID: <${messageId}>`,
    ...(parent === undefined ? [] : [`In-Reply-To: <${parent}>`]),
    // One id per line, folded: a line holds at most 998 characters (RFC 5322 §2.1.1).
    ...(references.length === 0 ? [] : [`References: ${references.map((id) => `<${id}>`).join('\r\n ')}`]),
    ...(isAutoReply ? ['Auto-Submitted: auto-replied'] : []),
    'MIME-Version: 1.0',
  ];
}

function addressText({ name, address }: MailAddress): string {
  return name === null ? address : `${name} <${address}>`;
}

/** The MIME structure as a reader sees it; {@link bodyLines} writes the same. */
function outlineOf({ html, attachments }: Body): OutlinePart[] {
  const depth = attachments.length > 0 ? 1 : 0;
  return [
    ...(attachments.length > 0 ? [{ depth: 0, type: 'multipart/mixed' }] : []),
    ...(html === null
      ? [{ depth, type: 'text/plain' }]
      : [
          { depth, type: 'multipart/alternative' },
          { depth: depth + 1, type: 'text/plain' },
          { depth: depth + 1, type: 'text/html' },
        ]),
    ...attachments.map(({ mimeType }) => ({ depth: 1, type: mimeType })),
  ];
}

/** Header fields of the content, a blank line, the content. */
function bodyLines({ text, html, attachments }: Body, boundary: string): string[] {
  const plain = textPart('text/plain', text);
  const readable =
    html === null ? plain : multipart('alternative', `a${boundary}`, [plain, textPart('text/html', html)]);
  if (attachments.length === 0) return readable;
  return multipart('mixed', `m${boundary}`, [readable, ...attachments.map(attachmentPart)]);
}

function textPart(type: string, text: string): string[] {
  return [
    `Content-Type: ${type}; charset=utf-8`,
    'Content-Transfer-Encoding: 8bit',
    '',
    text.replaceAll('\n', '\r\n'),
  ];
}

function attachmentPart({ filename, mimeType, content }: ParsedAttachment): string[] {
  const encoded = Buffer.from(content).toString('base64').replace(/.{76}/g, '$&\r\n');
  return [
    `Content-Type: ${mimeType}`,
    `Content-Disposition: attachment; filename="${filename ?? ''}"`,
    'Content-Transfer-Encoding: base64',
    '',
    encoded,
  ];
}

function multipart(subtype: string, boundary: string, parts: readonly string[][]): string[] {
  return [
    `Content-Type: multipart/${subtype}; boundary="${boundary}"`,
    '',
    ...parts.flatMap((part) => [`--${boundary}`, ...part]),
    `--${boundary}--`,
  ];
}
