import { Controller, Get, HttpStatus, Query, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import {
  ApiBearerAuth,
  ApiOkResponse,
  ApiOperation,
  ApiServiceUnavailableResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { tenantKey } from '../../shared/http/open-api';
import { ReaderOf } from '../access/read-position';
import { ReadProblems } from '../access/read-problems';
import { ReadQuery } from '../access/read-query';
import type { Reader } from '../reading/reads';
import { TierStatuses, type TierStatus } from './tier-status';

@ApiTags('status')
@Controller()
export class StatusController {
  constructor(private readonly statuses: TierStatuses) {}

  @Get('v1/status')
  @ApiBearerAuth(tenantKey)
  @ReadProblems()
  @ApiOperation({ summary: 'Generation, position and progress of each tier' })
  @ApiOkResponse({ description: '`tiers`: one entry each; `cache`: its kind, and whether it answers.' })
  async status(
    @ReaderOf() { tenantId }: Reader,
    @Query() _query: ReadQuery,
  ): Promise<{ tiers: TierStatus[]; cache: object }> {
    const [tiers, cache] = await Promise.all([this.statuses.all(tenantId), this.statuses.cacheState()]);
    return { tiers, cache };
  }

  @Get('healthz')
  @RouteConfig({ access: 'public' })
  @ApiOperation({ summary: 'The process lives. A cache that does not answer only makes it slower' })
  async health(): Promise<object> {
    return { status: 'ok', cache: await this.statuses.cacheState() };
  }

  @Get('readyz')
  @RouteConfig({ access: 'public' })
  @ApiOperation({
    summary: 'Keys can be checked and the inbox be read',
    description: 'Ready without the content or the OLAP tier: only the routes of that tier answer 503 then.',
  })
  @ApiOkResponse({ description: 'Ready.' })
  @ApiServiceUnavailableResponse({ description: 'The OLTP tier is away.' })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    const tiers = await this.statuses.reachable();
    if (!tiers.oltp) reply.status(HttpStatus.SERVICE_UNAVAILABLE);
    return { status: tiers.oltp ? 'ready' : 'unavailable', tiers };
  }
}
