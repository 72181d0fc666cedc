import { Controller, Get, Param, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { tenantKey } from '../../shared/http/open-api';
import { foundOr404 } from '../access/found';
import { ReaderOf } from '../access/read-position';
import { ReadProblems } from '../access/read-problems';
import { IdPath, ReadQuery } from '../access/read-query';
import type { Reader } from '../reading/reads';
import type { Representation } from '../reading/representation';
import { GetAgentStats } from './agent-stats.query';
import { AgentsStats, AgentStats } from './agents.answers';

@ApiTags('agents')
@ApiBearerAuth(tenantKey)
@ReadProblems()
@Controller('v1/agents')
export class AgentsController {
  constructor(private readonly queries: QueryBus) {}

  @Get('stats')
  @ApiOperation({ summary: 'Open, pending and unread of every agent' })
  @ApiOkResponse({ type: AgentsStats })
  async all(@ReaderOf() reader: Reader, @Query() _query: ReadQuery): Promise<Representation> {
    return foundOr404('list', this.queries.execute(new GetAgentStats(reader, null)));
  }

  @Get(':id/stats')
  @ApiOperation({ summary: 'Open, pending and unread of one agent' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiOkResponse({ type: AgentStats })
  async one(
    @ReaderOf() reader: Reader,
    @Param() { id }: IdPath,
    @Query() _query: ReadQuery,
  ): Promise<Representation> {
    return foundOr404('agent', this.queries.execute(new GetAgentStats(reader, id)));
  }
}
