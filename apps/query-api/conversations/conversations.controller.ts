import { Controller, Get, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { tenantKey } from '../../shared/http/open-api';
import { IdPath } from '../access/read-query';
import { ReaderOf } from '../access/read-position';
import { foundOr404 } from '../access/found';
import { ReadProblems } from '../access/read-problems';
import type { Reader } from '../reading/reads';
import type { Representation } from '../reading/representation';
import { ConversationAnswer, ConversationsPage } from './conversations.answers';
import { ConversationQuery, ConversationsQuery } from './conversations.dto';
import { GetConversation } from './get-conversation.query';
import { ListConversations } from './list-conversations.query';

@ApiTags('conversations')
@ApiBearerAuth(tenantKey)
@ReadProblems()
@Controller('v1/conversations')
export class ConversationsController {
  constructor(private readonly queries: QueryBus) {}

  @Get()
  @ApiOperation({ summary: 'The inbox: conversations, those with the latest activity first' })
  @ApiOkResponse({ type: ConversationsPage })
  async list(@ReaderOf() reader: Reader, @Query() query: ConversationsQuery): Promise<Representation> {
    const { mailboxId = null, assigneeId = null, status, limit, cursor } = query;
    return foundOr404(
      'conversation',
      this.queries.execute(
        new ListConversations(reader, { mailboxId, assigneeId, statuses: status, limit, cursor }),
      ),
    );
  }

  @Get(':id')
  @ApiOperation({
    summary: 'One conversation with its messages (oldest first), notes and read marks',
    description:
      'An id that was merged into another conversation is answered with that one, named in Content-Location. ETag is the revision to send back in If-Match.',
  })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: ConversationAnswer })
  async get(
    @ReaderOf() reader: Reader,
    @Param() { id }: IdPath,
    @Query() { limit, cursor }: ConversationQuery,
  ): Promise<Representation> {
    return foundOr404('conversation', this.queries.execute(new GetConversation(reader, id, limit, cursor)));
  }
}
