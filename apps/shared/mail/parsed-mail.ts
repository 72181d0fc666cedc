import type { ParkReason } from './mail-caps';

/** A mail address as compared: the domain in lower case, the local part as written (RFC 5321 §2.4). */
export interface MailAddress {
  name: string | null;
  address: string;
}

/** One part of a mail that is neither its text nor its HTML. Forwarded messages are attachments of message/rfc822. */
export interface ParsedAttachment {
  filename: string | null;
  mimeType: string;
  sizeBytes: number;
  disposition: 'attachment' | 'inline';
  /** Without angle brackets, as a cid: link names it. */
  contentId: string | null;
  /** Hex. */
  sha256: string;
  /** Decoded. */
  content: Uint8Array;
}

/** What one message says. Every string can be stored in PostgreSQL text: no NUL, no lone surrogate. */
export interface ParsedMail {
  /** Normalised by domain/message-identity.ts, without angle brackets, as are the two lists below. */
  messageIdHeader: string | null;
  inReplyTo: string[];
  references: string[];
  from: MailAddress[];
  sender: MailAddress[];
  replyTo: MailAddress[];
  to: MailAddress[];
  cc: MailAddress[];
  bcc: MailAddress[];
  /** Decoded and on one line; empty when there is none. */
  subject: string;
  /** ISO-8601 UTC from Date; null when absent or unreadable. */
  sentAt: string | null;
  messageType: 'email' | 'bounce' | 'auto_reply';
  /** A machine sent it: answering it by machine would loop (RFC 3834). */
  autoSubmitted: boolean;
  listId: string | null;
  text: string | null;
  /** As sent. Sanitise on every read. */
  html: string | null;
  /** The first 140 characters of readable text, whitespace folded. */
  preview: string;
  /** Every header field of the message in its order, unfolded, not decoded. */
  headers: { name: string; value: string }[];
  attachments: ParsedAttachment[];
  /** Sha256, hex: equal for two deliveries of one mail (events.md §4.5). */
  fingerprint: string;
}

export type MailParseResult =
  { outcome: 'parsed'; mail: ParsedMail } | { outcome: 'parked'; reason: ParkReason; detail: string };
