export interface MailFields {
  readonly messageId?: string | null;
  readonly subject?: string;
  readonly from?: string;
  readonly inReplyTo?: string;
  readonly references?: string;
  readonly text?: string;
  readonly date?: string;
  readonly received?: string;
  readonly extra?: string;
}

let count = 0;

/** A mail of a customer; without `messageId` one that no other mail has, with null none at all. */
export function customerMail(fields: MailFields = {}): string {
  count += 1;
  const messageId = fields.messageId === undefined ? `mail-${count}@customer.example` : fields.messageId;
  const lines = [
    fields.received === undefined ? null : `Received: ${fields.received}`,
    messageId === null ? null : `Message-ID: <${messageId}>`,
    `From: ${fields.from ?? 'Cora Customer <cora@customer.example>'}`,
    'To: Support <support@acme.example>',
    `Subject: ${fields.subject ?? 'A question'}`,
    `Date: ${fields.date ?? 'Mon, 5 Jan 2026 10:00:00 +0000'}`,
    fields.inReplyTo === undefined ? null : `In-Reply-To: <${fields.inReplyTo}>`,
    fields.references === undefined ? null : `References: ${fields.references}`,
    fields.extra ?? null,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    fields.text ?? 'How do I do this?',
    '',
  ];
  return lines.filter((line) => line !== null).join('\r\n');
}
