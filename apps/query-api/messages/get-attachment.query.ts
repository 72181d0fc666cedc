import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { Reads, type Reader } from '../reading/reads';
import { Representation } from '../reading/representation';
import { downloadHeaders, downloadType } from './download-headers';

export class GetAttachment extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly messageId: string,
    readonly attachmentId: string,
  ) {
    super();
  }
}

@QueryHandler(GetAttachment)
export class GetAttachmentHandler implements IQueryHandler<GetAttachment> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, messageId, attachmentId }: GetAttachment): Promise<Representation | null> {
    return this.reads.answer(reader, {
      tiers: ['content'],
      load: async (from) => {
        const [row] = await from.one('content', messageId, ({ schema, tenantId, query }) =>
          query<{ content: Buffer; filename: string | null; mimeType: string; sha256: string }>(
            'attachment',
            `select a.content, a.filename, a.mime_type as "mimeType", a.content_sha256 as sha256
             from ${schema}.attachments a
             join ${schema}.content_objects o on o.tenant_id = $1 and o.storage_key = a.parent_storage_key
             where a.tenant_id = $1 and a.id = $3 and o.message_id = $2`,
            [tenantId, messageId, attachmentId],
          ),
        );
        return row === undefined
          ? null
          : new Representation(
              row.content,
              { ...downloadHeaders(row.filename), etag: `"${row.sha256}"` },
              downloadType(row.mimeType),
              true,
            );
      },
    });
  }
}
