import { Body, Controller, Param, Post, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes, ApiHeader, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EntityIdPipe } from '../../shared/http/entity-id.pipe';
import { invalidFields, ProblemError } from '../../shared/http/problem';
import { answerWritten } from '../delivery/answer';
import { answerHeaders, ApiCommand } from '../delivery/api-command';
import { requestMetadata } from '../delivery/request-metadata';
import { IngestMail, type Ingested } from './ingest-mail';
import { IngestedAnswer, ParkedAnswer } from './message.dto';

export const mailMediaType = 'message/rfc822';

const statusOf = { accepted: 201, duplicate: 200, parked: 202 } as const;

@ApiTags('messages')
@Controller('v1/mailboxes')
export class MessageController {
  constructor(private readonly commands: CommandBus) {}

  @Post(':id/messages')
  @RouteConfig({ consumes: mailMediaType })
  @ApiConsumes(mailMediaType)
  @ApiBody({ schema: { type: 'string', format: 'binary' }, description: 'Raw MIME, as it came.' })
  @ApiHeader({
    name: 'X-Received-At',
    required: false,
    description: 'When the mail came in, for imports of older mail. Now, unless given.',
    schema: { type: 'string', format: 'date-time' },
  })
  @ApiCommand({
    summary: 'Take in a mail',
    description:
      'Stored whole and threaded before the answer. A mail that is there already is a duplicate; one that cannot be ' +
      'read is kept and parked with the reason.',
    status: 201,
    type: IngestedAnswer,
    problems: ['empty-message', 'not-found'],
  })
  @ApiResponse({ status: 200, type: IngestedAnswer, description: 'Duplicate.', headers: answerHeaders(true) })
  @ApiResponse({ status: 202, type: ParkedAnswer, description: 'Parked.', headers: answerHeaders(false) })
  async ingest(
    @Param('id', EntityIdPipe) mailboxId: string,
    @Body() raw: Buffer | undefined,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IngestedAnswer | ParkedAnswer> {
    const metadata = requestMetadata(request);
    const receivedAt = receivedAtOf(request, metadata.now);
    if (raw === undefined || raw.length === 0) {
      throw new ProblemError('empty-message', 'The body holds no byte.');
    }
    const command = new IngestMail({ mailboxId, raw, receivedAt }, metadata);
    const ingested = await this.commands.execute<IngestMail, Ingested>(command);
    answerWritten(reply, ingested);
    void reply.status(statusOf[ingested.outcome]);
    return answerOf(ingested);
  }
}

function answerOf(ingested: Ingested): IngestedAnswer | ParkedAnswer {
  if (ingested.outcome === 'parked') {
    const { outcome, messageId, reason, detail } = ingested;
    return { outcome, messageId, reason, detail };
  }
  const { outcome, messageId, conversationId } = ingested;
  return { outcome, messageId, conversationId };
}

function receivedAtOf({ headers }: FastifyRequest, now: string): string {
  const given = headers['x-received-at'];
  if (given === undefined) return now;
  const isTime =
    typeof given === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(given);
  const instant = new Date(isTime ? given : Number.NaN);
  if (Number.isNaN(instant.getTime()) || instant > new Date(now)) {
    throw invalidFields([
      { field: 'X-Received-At', detail: 'must be an ISO-8601 time with its zone, not in the future' },
    ]);
  }
  return instant.toISOString();
}
