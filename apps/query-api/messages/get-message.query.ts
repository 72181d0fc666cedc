import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { decompress, type Compression } from '../../shared/keys/compress';
import { sanitiseHtml, sanitiserVersion } from '../../shared/mail/sanitise-html';
import { isoTime, jsonObject } from '../reading/row-json';
import { Reads, type Reader } from '../reading/reads';
import { Representation } from '../reading/representation';
import type { PartRows } from '../reading/tenant-rows';

const messageTtlMs = 60_000;
const textBytesMax = 32 * 1024 * 1024;
/** Sanitising runs on the thread that serves everybody; what is longer is offered as raw bytes only. */
const htmlBytesMax = 1024 * 1024;

/** The content of one message, made fit to be shown (reliability.md B4). */
export class GetMessage extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly messageId: string,
  ) {
    super();
  }
}

@QueryHandler(GetMessage)
export class GetMessageHandler implements IQueryHandler<GetMessage> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, messageId }: GetMessage): Promise<Representation | null> {
    return this.reads.answer(reader, {
      tiers: ['content'],
      cache: { route: 'message', parameters: [messageId, sanitiserVersion], ttlMs: messageTtlMs },
      load: async (from) => {
        const row = await from.one('content', messageId, (part) => contentRow(part, messageId));
        return row && representationOf(messageId, row);
      },
    });
  }
}

interface ContentRow {
  readonly head: string;
  readonly headers: string;
  readonly attachments: string;
  /** Content-ID → attachment id, of the parts that have one. */
  readonly inlineParts: Readonly<Record<string, string>>;
  readonly text: Buffer | null;
  readonly html: Buffer | null;
  readonly compression: Compression;
  readonly [column: string]: unknown;
}

/** The fields every message has, also one that could not be parsed. */
const head = jsonObject({
  id: 'o.message_id',
  storageKey: 'o.storage_key',
  rawSizeBytes: 'o.raw_size_bytes',
  rawSha256: 'o.raw_sha256',
  storedAt: isoTime('o.created'),
  expiresAt: isoTime('o.expires'),
  archived: 'o.archived',
  parkedReason: 'o.parked_reason',
});

const attachment = jsonObject({
  id: 'a.id',
  filename: 'a.filename',
  mimeType: 'a.mime_type',
  sizeBytes: 'a.size_bytes',
  sha256: 'a.content_sha256',
  disposition: 'a.storage_disposition',
  contentId: 'a.content_id',
  url: `'/v1/messages/' || o.message_id || '/attachments/' || a.id`,
});

/** Served by content_objects_by_message and attachments_by_content. */
async function contentRow(
  { schema, tenantId, query }: PartRows,
  messageId: string,
): Promise<ContentRow | null> {
  const [row] = await query<ContentRow>(
    'message',
    `select ${head}::text as head, o.headers::text as headers, parts.attachments, parts."inlineParts",
            o.content_text as text, o.content_html as html, o.compression_type as compression
     from ${schema}.content_objects o
     cross join lateral (
       select coalesce(json_agg(${attachment} order by a.ordinal), '[]')::text as attachments,
              coalesce(json_object_agg(a.content_id, a.id) filter (where a.content_id is not null), '{}') as "inlineParts"
       from ${schema}.attachments a
       where a.tenant_id = $1 and a.parent_storage_key = o.storage_key) parts
     where o.tenant_id = $1 and o.message_id = $2`,
    [tenantId, messageId],
  );
  return row ?? null;
}

async function representationOf(messageId: string, row: ContentRow): Promise<Representation> {
  const text = await unpacked(row.text, row.compression, textBytesMax);
  const html = await unpacked(row.html, row.compression, textBytesMax);
  const htmlTooLarge = html !== null && html.length > htmlBytesMax;
  const shown =
    html === null || htmlTooLarge ? null : sanitiseHtml(html.toString('utf8'), linksOf(messageId, row));
  return new Representation(
    `{"message":${row.head},"text":${JSON.stringify(text?.toString('utf8') ?? null)},` +
      `"html":${JSON.stringify(shown)},"htmlTooLarge":${htmlTooLarge},` +
      `"headers":${row.headers},"attachments":${row.attachments}}`,
  );
}

function linksOf(
  messageId: string,
  { inlineParts }: ContentRow,
): { cidUrl: (contentId: string) => string | null } {
  const parts = new Map(Object.entries(inlineParts));
  return {
    cidUrl: (contentId) => {
      const id = parts.get(contentId);
      return id === undefined ? null : `/v1/messages/${messageId}/attachments/${id}`;
    },
  };
}

async function unpacked(
  bytes: Buffer | null,
  compression: Compression,
  bytesMax: number,
): Promise<Buffer | null> {
  return bytes && Buffer.from(await decompress({ bytes, compression }, bytesMax));
}
