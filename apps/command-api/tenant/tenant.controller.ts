import { Body, Controller, Delete, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  IssueApiKey,
  RegisterTenant,
  RevokeApiKey,
  type NewApiKey,
} from '../../../domain/tenant/tenant.commands';
import type { TenantEvent } from '../../../domain/tenant/tenant.events';
import type { CommandOutcome } from '../../shared/event-store/handle-command';
import { apiKeyHash, formatApiKey } from '../../shared/http/api-key';
import { EntityIdPipe } from '../../shared/http/entity-id.pipe';
import { operatorKey } from '../../shared/http/open-api';
import { invalidFields } from '../../shared/http/problem';
import { createdId } from '../../shared/ids/uuid-v5';
import { answerWritten } from '../delivery/answer';
import { ApiCommand } from '../delivery/api-command';
import { operatorMetadata, requestMetadata, type RequestMetadata } from '../delivery/request-metadata';
import { ApiSecret } from './api-secret';
import {
  IssueApiKeyBody,
  IssuedApiKeyAnswer,
  RegisteredTenantAnswer,
  RegisterTenantBody,
  RevokedApiKeyAnswer,
} from './tenant.dto';

type TenantOutcome = CommandOutcome<TenantEvent>;

@ApiTags('tenants and keys')
@Controller('v1')
export class TenantController {
  constructor(
    private readonly commands: CommandBus,
    private readonly apiSecret: ApiSecret,
  ) {}

  @Post('tenants')
  @RouteConfig({ access: 'operator' })
  @ApiCommand({
    summary: 'Register a tenant, with its first API key',
    status: 201,
    type: RegisteredTenantAnswer,
    security: operatorKey,
  })
  async register(
    @Body() body: RegisterTenantBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RegisteredTenantAnswer> {
    const metadata = operatorMetadata(request);
    const { tenantId } = metadata;
    const { name, timeZone } = body;
    const apiKey = this.newApiKey(metadata, 'first key', null);
    const command = new RegisterTenant({ tenantId, name, timeZone, apiKey }, metadata);
    answerWritten(reply, { position: (await this.execute(command)).position });
    return { tenantId, ...this.shown(metadata) };
  }

  @Post('api-keys')
  @ApiCommand({ summary: 'Issue another API key', status: 201, type: IssuedApiKeyAnswer })
  async issue(
    @Body() body: IssueApiKeyBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<IssuedApiKeyAnswer> {
    const metadata = requestMetadata(request);
    const apiKey = this.newApiKey(metadata, body.name, expiry(body, metadata));
    answerWritten(reply, { position: (await this.execute(new IssueApiKey(apiKey, metadata))).position });
    return this.shown(metadata);
  }

  @Delete('api-keys/:id')
  @HttpCode(200)
  @ApiCommand({
    summary: 'Revoke an API key',
    description: 'It is refused everywhere within 5 seconds.',
    status: 200,
    type: RevokedApiKeyAnswer,
    problems: ['not-found'],
  })
  async revoke(
    @Param('id', EntityIdPipe) apiKeyId: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RevokedApiKeyAnswer> {
    const command = new RevokeApiKey({ apiKeyId }, requestMetadata(request));
    answerWritten(reply, { position: (await this.execute(command)).position });
    return { apiKeyId };
  }

  private execute(command: RegisterTenant | IssueApiKey | RevokeApiKey): Promise<TenantOutcome> {
    return this.commands.execute<typeof command, TenantOutcome>(command);
  }

  private newApiKey({ commandId }: RequestMetadata, name: string, expiresAt: string | null): NewApiKey {
    const keyHash = apiKeyHash(this.apiSecret.of(commandId));
    return { apiKeyId: createdId(commandId, 'api-key'), name, keyHash, expiresAt };
  }

  private shown({ tenantId, commandId }: RequestMetadata): IssuedApiKeyAnswer {
    const secret = this.apiSecret.of(commandId);
    return { apiKeyId: createdId(commandId, 'api-key'), apiKey: formatApiKey({ tenantId, secret }) };
  }
}

function expiry({ expiresAt }: IssueApiKeyBody, { now }: RequestMetadata): string | null {
  if (expiresAt === undefined) return null;
  const instant = new Date(expiresAt);
  if (Number.isNaN(instant.getTime()) || instant <= new Date(now)) {
    throw invalidFields([{ field: 'expiresAt', detail: 'must be a time in the future' }]);
  }
  return instant.toISOString();
}
