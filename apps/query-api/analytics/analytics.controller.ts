import { Controller, Get, Query } from '@nestjs/common';
import { QueryBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { tenantKey } from '../../shared/http/open-api';
import { foundOr404 } from '../access/found';
import { ReaderOf } from '../access/read-position';
import { ReadProblems } from '../access/read-problems';
import type { Reader } from '../reading/reads';
import type { Representation } from '../reading/representation';
import { DailyAnalytics } from './analytics.answers';
import { DailyAnalyticsQuery } from './analytics.dto';
import { GetDailyAnalytics } from './daily-analytics.query';

@ApiTags('analytics')
@ApiBearerAuth(tenantKey)
@ReadProblems()
@Controller('v1/analytics')
export class AnalyticsController {
  constructor(private readonly queries: QueryBus) {}

  @Get('daily')
  @ApiOperation({ summary: 'Figures per UTC day, days without events included' })
  @ApiOkResponse({ type: DailyAnalytics })
  async daily(
    @ReaderOf() reader: Reader,
    @Query() { from, to, mailboxId }: DailyAnalyticsQuery,
  ): Promise<Representation> {
    return foundOr404(
      'list',
      this.queries.execute(new GetDailyAnalytics(reader, { from, to, mailboxId: mailboxId ?? null })),
    );
  }
}
