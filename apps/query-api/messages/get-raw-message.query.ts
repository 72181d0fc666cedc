import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { decompress, type Compression } from '../../shared/keys/compress';
import { Reads, type Reader } from '../reading/reads';
import { Representation } from '../reading/representation';
import { downloadHeaders } from './download-headers';

/** The bytes exactly as they were received. */
export class GetRawMessage extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly messageId: string,
  ) {
    super();
  }
}

@QueryHandler(GetRawMessage)
export class GetRawMessageHandler implements IQueryHandler<GetRawMessage> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, messageId }: GetRawMessage): Promise<Representation | null> {
    return this.reads.answer(reader, {
      tiers: ['content'],
      load: async (from) => {
        const [row] = await from.one('content', messageId, ({ schema, tenantId, query }) =>
          query<{ raw: Buffer; size: number; sha256: string; compression: Compression }>(
            'raw-message',
            `select content_raw as raw, raw_size_bytes as size, raw_sha256 as sha256, compression_type as compression
             from ${schema}.content_objects where tenant_id = $1 and message_id = $2`,
            [tenantId, messageId],
          ),
        );
        if (row === undefined) return null;
        const bytes = Buffer.from(
          await decompress({ bytes: row.raw, compression: row.compression }, row.size),
        );
        return new Representation(
          bytes,
          { ...downloadHeaders(`${messageId}.eml`), etag: `"${row.sha256}"` },
          'message/rfc822',
          true,
        );
      },
    });
  }
}
