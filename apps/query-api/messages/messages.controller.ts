import { Controller, Get, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiParam, ApiProduces, ApiTags } from '@nestjs/swagger';
import { tenantKey } from '../../shared/http/open-api';
import { foundOr404 } from '../access/found';
import { ReaderOf } from '../access/read-position';
import { ReadProblems } from '../access/read-problems';
import { IdPath, PageQuery, ReadQuery } from '../access/read-query';
import type { Reader } from '../reading/reads';
import type { Representation } from '../reading/representation';
import { GetAttachment } from './get-attachment.query';
import { GetMessage } from './get-message.query';
import { GetRawMessage } from './get-raw-message.query';
import { ListParked } from './list-parked.query';
import { MessageAnswer, ParkedPage } from './messages.answers';
import { AttachmentPath } from './messages.dto';

@ApiTags('messages')
@ApiBearerAuth(tenantKey)
@ReadProblems()
@Controller('v1')
export class MessagesController {
  constructor(private readonly queries: QueryBus) {}

  @Get('messages/:id')
  @ApiOperation({
    summary: 'What a message says: text, sanitised HTML, headers, attachments',
    description:
      'Remote images are off: their address is in data-remote-src. Show the HTML in a sandboxed frame.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: MessageAnswer })
  async get(
    @ReaderOf() reader: Reader,
    @Param() { id }: IdPath,
    @Query() _query: ReadQuery,
  ): Promise<Representation> {
    return foundOr404('message', this.queries.execute(new GetMessage(reader, id)));
  }

  @Get('messages/:id/raw')
  @ApiOperation({ summary: 'The mail exactly as it was received; ETag is its sha256' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiProduces('message/rfc822')
  @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async raw(
    @ReaderOf() reader: Reader,
    @Param() { id }: IdPath,
    @Query() _query: ReadQuery,
  ): Promise<Representation> {
    return foundOr404('message', this.queries.execute(new GetRawMessage(reader, id)));
  }

  @Get('messages/:id/attachments/:attachmentId')
  @ApiOperation({ summary: 'One attachment, always as a download' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiParam({ name: 'attachmentId', format: 'uuid' })
  @ApiProduces('application/octet-stream')
  @ApiOkResponse({ schema: { type: 'string', format: 'binary' } })
  async attachment(
    @ReaderOf() reader: Reader,
    @Param() { id, attachmentId }: AttachmentPath,
    @Query() _query: ReadQuery,
  ): Promise<Representation> {
    return foundOr404('attachment', this.queries.execute(new GetAttachment(reader, id, attachmentId)));
  }

  @Get('parked')
  @ApiOperation({ summary: 'Mails that could not be read as mail, with the reason, latest first' })
  @ApiOkResponse({ type: ParkedPage })
  async parked(@ReaderOf() reader: Reader, @Query() { limit, cursor }: PageQuery): Promise<Representation> {
    return foundOr404('list', this.queries.execute(new ListParked(reader, limit, cursor)));
  }
}
