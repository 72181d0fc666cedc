import { Controller, Get, Inject } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import type { Pool } from 'pg';
import { streamName } from '../../../domain/stream-name';
import type { EventStore } from '../../shared/event-store/event-store';
import { ApiProblems } from '../../shared/http/api-responses';
import { unavailable } from '../../shared/http/problem';
import { eventStoreToken, keysPoolToken } from '../tokens';

const probeTimeoutMs = 3_000;
const nobody = '00000000-0000-0000-0000-000000000000';

class HealthAnswer {
  @ApiProperty({ enum: ['ok'] })
  status!: 'ok';
}

@ApiTags('health')
@Controller()
export class HealthController {
  constructor(
    @Inject(eventStoreToken) private readonly store: EventStore,
    @Inject(keysPoolToken) private readonly keys: Pool,
  ) {}

  @Get('healthz')
  @RouteConfig({ access: 'public' })
  @ApiOperation({ summary: 'Whether the process runs: restart it when this does not answer' })
  @ApiOkResponse({ type: HealthAnswer })
  alive(): HealthAnswer {
    return { status: 'ok' };
  }

  @Get('readyz')
  @RouteConfig({ access: 'public' })
  @ApiOperation({ summary: 'Whether commands can be taken: the log and the key store answer' })
  @ApiOkResponse({ type: HealthAnswer })
  @ApiProblems('unavailable')
  async ready(): Promise<HealthAnswer> {
    await Promise.all([
      answered('the log', this.store.readStream(streamName('tenant', nobody, nobody), { maxCount: 1 })),
      answered('the key store', this.keys.query('select 1')),
    ]);
    return { status: 'ok' };
  }
}

async function answered(what: string, probe: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), probeTimeoutMs);
  });
  try {
    await Promise.race([probe, limit]);
  } catch {
    throw unavailable(`No answer from ${what}.`);
  } finally {
    clearTimeout(timer);
  }
}
