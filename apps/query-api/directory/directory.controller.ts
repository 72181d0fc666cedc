import { Controller, Get, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { tenantKey } from '../../shared/http/open-api';
import { foundOr404 } from '../access/found';
import { ReaderOf } from '../access/read-position';
import { ReadProblems } from '../access/read-problems';
import { PageQuery } from '../access/read-query';
import type { Reader } from '../reading/reads';
import type { Representation } from '../reading/representation';
import { MailboxesPage, UsersPage } from './directory.answers';
import { ListDirectory } from './list-directory.query';

@ApiTags('users and mailboxes')
@ApiBearerAuth(tenantKey)
@ReadProblems()
@Controller('v1')
export class DirectoryController {
  constructor(private readonly queries: QueryBus) {}

  @Get('users')
  @ApiOperation({ summary: 'The people of the tenant' })
  @ApiOkResponse({ type: UsersPage })
  async users(@ReaderOf() reader: Reader, @Query() { limit, cursor }: PageQuery): Promise<Representation> {
    return foundOr404('list', this.queries.execute(new ListDirectory(reader, 'users', limit, cursor)));
  }

  @Get('mailboxes')
  @ApiOperation({ summary: 'The mailboxes of the tenant' })
  @ApiOkResponse({ type: MailboxesPage })
  async mailboxes(
    @ReaderOf() reader: Reader,
    @Query() { limit, cursor }: PageQuery,
  ): Promise<Representation> {
    return foundOr404('list', this.queries.execute(new ListDirectory(reader, 'mailboxes', limit, cursor)));
  }
}
