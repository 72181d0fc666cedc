import type { ContentEvent, JoinedAttachment, JoinedContent } from '../content-event';
import { rowOperation, type Projection, type RowOperation, type Table } from '../projection';
import { instant, truncated } from '../storable';

export interface ContentObjectRow {
  readonly storage_key: string;
  readonly message_id: string;
  readonly content_text: Uint8Array | null;
  readonly content_html: Uint8Array | null;
  readonly content_raw: Uint8Array;
  readonly headers: JoinedContent['headers'];
  readonly raw_size_bytes: number;
  readonly raw_sha256: string;
  readonly compression_type: 'gzip' | 'none';
  readonly parser_version: number;
  readonly parked_reason: string | null;
  readonly created: string;
  readonly expires: string | null;
  readonly archived: boolean;
}
export interface AttachmentRow {
  readonly id: string;
  readonly parent_storage_key: string;
  readonly ordinal: number;
  readonly filename: string | null;
  readonly mime_type: string;
  readonly size_bytes: number;
  readonly content: Uint8Array;
  readonly content_sha256: string;
  readonly content_id: string | null;
  readonly storage_disposition: 'attachment' | 'inline';
  readonly created: string;
}

export const contentObjectsTable: Table<ContentObjectRow> = {
  name: 'content_objects',
  primaryKey: ['storage_key'],
  isWrittenOnce: true,
  slotColumn: 'message_id',
  columns: {
    storage_key: 'text',
    message_id: 'uuid',
    content_text: 'bytea',
    content_html: 'bytea',
    content_raw: 'bytea',
    headers: 'jsonb',
    raw_size_bytes: 'integer',
    raw_sha256: 'text',
    compression_type: 'text',
    parser_version: 'integer',
    parked_reason: 'text',
    created: 'timestamptz',
    expires: 'timestamptz',
    archived: 'boolean',
  },
};

export const attachmentsTable: Table<AttachmentRow> = {
  name: 'attachments',
  primaryKey: ['id'],
  isWrittenOnce: true,
  columns: {
    id: 'uuid',
    parent_storage_key: 'text',
    ordinal: 'smallint',
    filename: 'text',
    mime_type: 'text',
    size_bytes: 'integer',
    content: 'bytea',
    content_sha256: 'text',
    content_id: 'text',
    storage_disposition: 'text',
    created: 'timestamptz',
  },
};

// The widths of migrations/content/0001 (T-06, T-07).
const storageKeyLengthMax = 500;
const filenameLengthMax = 255;
const mimeTypeLengthMax = 100;

/** Bodies, headers and attachments, in the slot of the message. */
export const contentObjectsProjection: Projection<ContentEvent> = {
  name: 'content-objects',
  tables: [contentObjectsTable, attachmentsTable],
  project(event: ContentEvent): RowOperation[] {
    if (event.type === 'MessageReceived') return rowsOf(event, event.data, event.data.receivedAt);
    if (event.type === 'MessageSubmitted') return rowsOf(event, event.data, event.data.submittedAt);
    if (event.type === 'MessageParked') return rowsOf(event, event.data, event.data.receivedAt);
    return [];
  },
};

interface MessageData {
  readonly messageId: string;
  readonly content: { readonly storageKey: string; readonly rawSize: number; readonly sha256: string };
}

function rowsOf({ content, metadata }: ContentEvent, message: MessageData, at: string): RowOperation[] {
  if (content === undefined) return [];
  const owner = { tenantId: metadata.tenantId, slotEntityId: message.messageId };
  const storageKey = truncated(message.content.storageKey, storageKeyLengthMax);
  return [
    rowOperation(contentObjectsTable, owner, [storageKey], () => ({
      storage_key: storageKey,
      message_id: message.messageId,
      content_text: content.text,
      content_html: content.html,
      content_raw: content.raw,
      headers: content.headers,
      raw_size_bytes: message.content.rawSize,
      raw_sha256: message.content.sha256,
      compression_type: content.compression,
      parser_version: content.parserVersion,
      parked_reason: content.parkedReason,
      created: instant(at),
      expires: null,
      archived: false,
    })),
    ...content.attachments.map((attachment, ordinal) =>
      rowOperation(attachmentsTable, owner, [attachment.id], () =>
        attachmentRow(attachment, { storageKey, ordinal, at }),
      ),
    ),
  ];
}

function attachmentRow(
  attachment: JoinedAttachment,
  { storageKey, ordinal, at }: { storageKey: string; ordinal: number; at: string },
): AttachmentRow {
  const { id, filename, mimeType, sizeBytes, content, sha256, contentId, disposition } = attachment;
  return {
    id,
    parent_storage_key: storageKey,
    ordinal,
    filename: filename === null ? null : truncated(filename, filenameLengthMax),
    mime_type: truncated(mimeType, mimeTypeLengthMax),
    size_bytes: sizeBytes,
    content,
    content_sha256: sha256,
    content_id: contentId,
    storage_disposition: disposition,
    created: instant(at),
  };
}
