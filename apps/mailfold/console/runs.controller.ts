import { Body, Controller, Get, HttpCode, Param, ParseIntPipe, Post } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { applyDecorators } from '@nestjs/common';
import { ApiProblems } from '../../shared/http/api-responses';
import { operatorKey } from '../../shared/http/open-api';
import { RunOperations } from '../rebuild/operations/run-operations';
import type { RunDetails, RunView } from '../rebuild/operations/run-view';
import { asOfPosition } from '../rebuild/operations/as-of';
import type { RunSpecInput } from '../rebuild/run-spec';
import { parseExpectedDifferences } from '../verify/expected-differences';
import type { Workplace } from '../rebuild/workplace';
import { BackgroundRuns } from './background-runs';
import { CutOverBody, PlanBody, StartBody, ThrottleBody, VerifyBody } from './runs.dto';

/** What is behind the routes; passed on by Nest. */
export class ConsoleDesk {
  constructor(
    readonly workplace: Workplace,
    readonly operations: RunOperations,
    readonly background: BackgroundRuns,
  ) {}
}

const ttlHoursDefault = 24;

function Operation(summary: string, description?: string): MethodDecorator {
  return applyDecorators(
    RouteConfig({ access: 'operator' }),
    ApiBearerAuth(operatorKey),
    ApiOperation({ summary, ...(description === undefined ? {} : { description }) }),
    ApiOkResponse({ description: 'The run as it is now; `next` are the commands that make sense.' }),
    ApiProblems('invalid-fields', 'unauthenticated', 'not-found', 'state-conflict', 'fault', 'unavailable'),
  );
}

/** Rebuilds and re-partitions: the same operations as on the command line, with the same answers. */
@ApiTags('runs')
@Controller('v1/runs')
export class RunsController {
  constructor(private readonly desk: ConsoleDesk) {}

  @Get()
  @Operation('The latest runs')
  async list(): Promise<{ items: RunView[] }> {
    return { items: await this.desk.operations.list() };
  }

  @Post()
  @Operation('Plan a run', 'Says in `plan` what it makes, how long that takes and what room it needs.')
  async plan(@Body() { estimate = true, ...body }: PlanBody): Promise<RunView> {
    const { signal } = this.desk.background;
    return this.desk.operations.plan(await this.specOf(body), estimate ? { signal } : null);
  }

  @Get(':run')
  @HttpCode(200)
  @Operation('One run with its journal')
  async status(@Param('run', ParseIntPipe) run: number): Promise<RunDetails> {
    return this.desk.operations.status(run);
  }

  @Post(':run/start')
  @HttpCode(202)
  @Operation('Fill it, or go on where it stopped', 'Answers when it is under way; read it for its progress.')
  async start(@Param('run', ParseIntPipe) run: number, @Body() body: StartBody): Promise<RunView> {
    return this.desk.background.start(run, body);
  }

  @Post(':run/pause')
  @HttpCode(200)
  @Operation('Let the process that fills it wait')
  async pause(@Param('run', ParseIntPipe) run: number): Promise<RunView> {
    return this.desk.operations.pause(run);
  }

  @Post(':run/resume')
  @HttpCode(202)
  @Operation('Wake the process that waits; fill it here when there is none')
  async resume(@Param('run', ParseIntPipe) run: number, @Body() body: StartBody): Promise<RunView> {
    const { view, isWorkedOn } = await this.desk.operations.resume(run);
    return isWorkedOn ? view : this.desk.background.start(run, body);
  }

  @Post(':run/throttle')
  @HttpCode(200)
  @Operation('Bound how fast it goes, also while it runs')
  async throttle(@Param('run', ParseIntPipe) run: number, @Body() body: ThrottleBody): Promise<RunView> {
    return this.desk.operations.throttle(run, body.eventsPerSecond);
  }

  @Post(':run/verify')
  @HttpCode(200)
  @Operation('Prove that it holds what serves', 'The certificates are in `certificates`, by tier.')
  async verify(@Param('run', ParseIntPipe) run: number, @Body() body: VerifyBody): Promise<RunView> {
    const expectedDifferences = parseExpectedDifferences(body.expectedDifferences ?? []);
    const { signal } = this.desk.background;
    return this.desk.operations.verify(run, { signal, expectedDifferences });
  }

  @Post(':run/cutover')
  @HttpCode(200)
  @Operation('Let queries read it')
  async cutOver(@Param('run', ParseIntPipe) run: number, @Body() body: CutOverBody): Promise<RunView> {
    const { slots, tenantId, canary = false, withoutShadowReads = false, forceReason } = body;
    const { signal } = this.desk.background;
    return this.desk.operations.cutOver(run, {
      ...{ canary, withoutShadowReads, signal },
      ...(slots === undefined ? {} : { slots: { from: slots.from, to: slots.to } }),
      ...(tenantId === undefined ? {} : { tenantId }),
      ...(forceReason === undefined ? {} : { force: { reason: forceReason } }),
    });
  }

  @Post(':run/rollback')
  @HttpCode(200)
  @Operation('Let what served before serve again')
  async rollBack(@Param('run', ParseIntPipe) run: number): Promise<RunView> {
    return this.desk.operations.rollBack(run, this.desk.background);
  }

  @Post(':run/retire')
  @HttpCode(200)
  @Operation('Drop what served before, and with it the way back')
  async retire(@Param('run', ParseIntPipe) run: number): Promise<RunView> {
    return this.desk.operations.retire(run, this.desk.background);
  }

  @Post(':run/discard')
  @HttpCode(200)
  @Operation('Drop what it has made, as long as nothing of it serves')
  async discard(@Param('run', ParseIntPipe) run: number): Promise<RunView> {
    return this.desk.operations.discard(run);
  }

  private async specOf({
    asOf,
    ttlHours = ttlHoursDefault,
    slots,
    ...body
  }: Omit<PlanBody, 'estimate'>): Promise<RunSpecInput> {
    return {
      // The class has every field, also those that were not sent.
      ...(Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as typeof body),
      ...(slots === undefined ? {} : { slots: { from: slots.from, to: slots.to } }),
      ...(asOf === undefined
        ? {}
        : { asOf: { position: String(await asOfPosition(this.desk.workplace, asOf)), ttlHours } }),
    };
  }
}

@ApiTags('health')
@Controller()
export class ConsoleHealthController {
  @Get('healthz')
  @RouteConfig({ access: 'public' })
  @ApiOperation({ summary: 'Whether the process runs' })
  @ApiOkResponse({ description: 'It does.' })
  alive(): { status: 'ok' } {
    return { status: 'ok' };
  }
}
