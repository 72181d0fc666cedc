import { createHash } from 'node:crypto';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { MailAddress } from './parsed-mail';

export interface OutboundMail {
  from: MailAddress;
  to: MailAddress[];
  cc: MailAddress[];
  subject: string;
  text: string;
  html: string | null;
  /** Ids without angle brackets. */
  messageId: string;
  inReplyTo: string | null;
  references: string[];
  /** ISO-8601; becomes the Date header. */
  date: string;
}

/**
 * The MIME bytes of an outbound mail, with CRLF. The same input gives the same bytes: a retry after an unknown outcome
 * must offer the mail system the very mail it may already hold.
 */
export async function composeMail(mail: OutboundMail): Promise<Buffer> {
  const composer = new MailComposer({
    from: recipient(mail.from),
    to: mail.to.map(recipient),
    cc: mail.cc.map(recipient),
    subject: mail.subject,
    text: mail.text,
    ...(mail.html === null ? {} : { html: mail.html }),
    messageId: bracketed(mail.messageId),
    ...(mail.inReplyTo === null ? {} : { inReplyTo: bracketed(mail.inReplyTo) }),
    references: mail.references.map(bracketed),
    date: new Date(mail.date),
    // The only chance in a composed mail; unlike the text it separates, it is not guessable by whoever is quoted.
    baseBoundary: createHash('sha256').update(mail.messageId).digest('hex').slice(0, 32),
    // Nothing a caller passes may make the composer read a file or call out.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

function recipient({ name, address }: MailAddress): { name: string; address: string } {
  return { name: name ?? '', address };
}

function bracketed(id: string): string {
  return `<${id}>`;
}
