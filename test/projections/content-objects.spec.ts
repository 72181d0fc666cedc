import type { ContentEvent, JoinedAttachment, JoinedContent } from '../../projections/content-event';
import {
  attachmentsTable,
  contentObjectsProjection,
  contentObjectsTable,
} from '../../projections/content/content-objects.projection';
import { parked, received, submitted } from '../support/message-builders';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const having = (fields: object) => expect.objectContaining(fields) as object;
const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const messageId = idOf('a message');

const joined: JoinedContent = {
  raw: bytes('raw'),
  text: bytes('text'),
  html: null,
  compression: 'gzip',
  headers: [{ name: 'subject', value: 'Where is my order?' }],
  attachments: [],
  parserVersion: 3,
  parkedReason: null,
};
const attachment: JoinedAttachment = {
  id: idOf('attachment'),
  filename: 'order.pdf',
  mimeType: 'application/pdf',
  sizeBytes: 3,
  disposition: 'attachment',
  contentId: null,
  sha256: 'bb',
  content: bytes('pdf'),
};
const row = {
  storage_key: 'k',
  message_id: messageId,
  content_text: bytes('text'),
  content_html: null,
  content_raw: bytes('raw'),
  headers: [{ name: 'subject', value: 'Where is my order?' }],
  raw_size_bytes: 10,
  raw_sha256: 'aa',
  compression_type: 'gzip',
  parser_version: 3,
  parked_reason: null,
  created: '2026-02-01T00:00:00.000Z',
  expires: null,
  archived: false,
};
const receivedAt = '2026-02-01T01:00:00+01:00';
const mail = received({ messageId, receivedAt });

function withContent(log: RecordedLog, content: JoinedContent): ContentEvent[] {
  return log.events.map((event) => ({ ...event, content }));
}
const withMail = () => new RecordedLog().add('message', messageId, { type: 'MessageReceived', data: mail });

describe('content objects', () => {
  it('hold the bodies of a received mail, dated by its receipt', () => {
    given(withContent(withMail(), joined))
      .whenProjectedBy(contentObjectsProjection)
      .thenRows(contentObjectsTable, [row]);
  });

  it("hold those of an agent's answer, dated by its submission", () => {
    const data = submitted({ messageId, submittedAt: '2026-02-02T00:00:00Z' });
    const log = new RecordedLog().add('message', messageId, { type: 'MessageSubmitted', data });
    given(withContent(log, joined))
      .whenProjectedBy(contentObjectsProjection)
      .thenRows(contentObjectsTable, [{ ...row, created: '2026-02-02T00:00:00.000Z' }]);
  });

  it('hold the bytes of what could not be read, with the reason', () => {
    const data = parked({ messageId, receivedAt });
    const log = new RecordedLog().add('message', messageId, { type: 'MessageParked', data });
    given(withContent(log, { ...joined, text: null, headers: [], parkedReason: 'not-mime' }))
      .whenProjectedBy(contentObjectsProjection)
      .thenRows(contentObjectsTable, [
        { ...row, content_text: null, headers: [], parked_reason: 'not-mime' },
      ]);
  });

  it('are left out where the log has no content any more', () => {
    const { events } = withMail();
    given(events).whenProjectedBy(contentObjectsProjection).thenRows(contentObjectsTable, []);
    given(events).whenProjectedBy(contentObjectsProjection).thenRows(attachmentsTable, []);
  });

  it('are made of messages only, not of what happens to their conversation', () => {
    const { events } = new RecordedLog().attach('a', 'a').resolve('a');
    given(events.map((event) => ({ ...event, content: joined })))
      .whenProjectedBy(contentObjectsProjection)
      .thenRows(contentObjectsTable, []);
  });
});

describe('attachments', () => {
  const withAttachments = (...attachments: JoinedAttachment[]) =>
    given(withContent(withMail(), { ...joined, attachments })).whenProjectedBy(contentObjectsProjection);

  it('keep their order, and their bytes beside the mail they came with', () => {
    const image = {
      ...{ id: idOf('image'), filename: null, mimeType: 'image/png', sizeBytes: 4 },
      ...{ disposition: 'inline' as const, contentId: 'logo@acme.example' },
      ...{ sha256: 'cc', content: bytes('logo') },
    };
    withAttachments(attachment, image).thenRows(attachmentsTable, [
      {
        ...{ id: idOf('attachment'), parent_storage_key: 'k', ordinal: 0, filename: 'order.pdf' },
        ...{ mime_type: 'application/pdf', size_bytes: 3, content: bytes('pdf'), content_sha256: 'bb' },
        ...{ content_id: null, storage_disposition: 'attachment', created: '2026-02-01T00:00:00.000Z' },
      },
      {
        ...{ id: idOf('image'), parent_storage_key: 'k', ordinal: 1, filename: null },
        ...{ mime_type: 'image/png', size_bytes: 4, content: bytes('logo'), content_sha256: 'cc' },
        ...{ content_id: 'logo@acme.example', storage_disposition: 'inline' },
        created: '2026-02-01T00:00:00.000Z',
      },
    ]);
  });

  it('have names and types cut to their columns, by whole characters', () => {
    const long = { ...attachment, filename: '🙂'.repeat(256), mimeType: `x/${'y'.repeat(200)}` };
    withAttachments(long).thenRows(attachmentsTable, [
      having({ filename: '🙂'.repeat(255), mime_type: `x/${'y'.repeat(98)}` }),
    ]);
  });
});
