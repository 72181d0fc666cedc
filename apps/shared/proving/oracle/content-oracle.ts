import { gunzipSync } from 'node:zlib';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Recorded } from '../../../../domain/event';
import { parseStreamName } from '../../../../domain/stream-name';
import { isoTime, type OracleLog, type OracleRow, type OracleStream, type StreamOracle } from './oracle';

type Fact = Recorded<
  Extract<MailfoldEvent, { type: 'MessageReceived' | 'MessageSubmitted' | 'MessageParked' }>
>;

/**
 * Of bodies: that the bytes are those which came in, under their key, at their place. What a parser makes of them (text,
 * HTML, headers, attachments) it leaves to the comparison of rows and to the tests of the parser.
 */
export const contentOracle: StreamOracle = {
  kind: 'streams',
  categories: ['message'],
  worthALook: [
    {
      why: 'largest',
      sql: `select 'message' as category, tenant_id, message_id as entity_id from {content_objects}
            order by raw_size_bytes desc, message_id limit $2 + 0 * $1::bigint`,
    },
    {
      why: 'not read as mail',
      sql: `select 'message' as category, tenant_id, message_id as entity_id from {content_objects}
            where parked_reason is not null order by log_position desc limit $2 + 0 * $1::bigint`,
    },
    {
      why: 'at random',
      sql: `select 'message' as category, tenant_id, message_id as entity_id from {content_objects}
            order by hashtextextended(message_id::text, $1::bigint) limit $2`,
    },
  ],
  async rowsOf(stream: OracleStream, log: OracleLog): Promise<OracleRow[]> {
    const events = await log.read(stream);
    const fact = events.find((event): event is Fact => 'content' in event.data);
    if (fact === undefined) return [];
    const { data, position, metadata } = fact;
    const stored = await bytesOf(fact, events, log);
    const row = {
      ...{ table: 'content_objects', tenantId: metadata.tenantId, slotEntityId: data.messageId },
      key: { storage_key: data.content.storageKey },
    };
    // Taken out by an erasure or by retention: no reader can have it.
    if (stored.length === 0 && data.content.rawSize > 0) return [{ ...row, values: null }];
    const raw = data.content.compression === 'gzip' ? gunzipSync(stored) : stored;
    if (raw.length !== data.content.rawSize)
      throw new Error(
        `the log holds ${raw.length} bytes of ${data.messageId} instead of ${data.content.rawSize}`,
      );
    const at = fact.type === 'MessageSubmitted' ? fact.data.submittedAt : fact.data.receivedAt;
    return [
      {
        ...row,
        values: {
          message_id: data.messageId,
          content_raw: stored,
          raw_size_bytes: raw.length,
          raw_sha256: data.content.sha256,
          compression_type: data.content.compression,
          created: isoTime(at),
          expires: null,
          archived: false,
          log_position: position.toString(),
        },
      },
    ];
  },
};

async function bytesOf(
  { data: { content }, streamName }: Fact,
  ofMessage: readonly Recorded<MailfoldEvent>[],
  log: OracleLog,
): Promise<Buffer> {
  const elsewhere = content.streamName === streamName ? null : parseStreamName(content.streamName);
  const events = elsewhere === null ? ofMessage : await log.read(elsewhere);
  const chunks = events.flatMap(({ type, data }) => (type === 'MessageContentStored' ? [data] : []));
  return Buffer.concat([...chunks].sort((one, other) => one.chunk - other.chunk).map(({ bytes }) => bytes));
}
