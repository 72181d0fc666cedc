import { Body, Controller, Param, Post, Put, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  ActivateUser,
  ChangeUserRole,
  DeactivateUser,
  InviteUser,
  type UserCommand,
} from '../../../domain/user/user.commands';
import type { UserEvent } from '../../../domain/user/user.events';
import type { CommandOutcome } from '../../shared/event-store/handle-command';
import { EntityIdPipe } from '../../shared/http/entity-id.pipe';
import { createdId } from '../../shared/ids/uuid-v5';
import { answerWritten } from '../delivery/answer';
import { ApiCommand } from '../delivery/api-command';
import { requestMetadata } from '../delivery/request-metadata';
import { ChangeUserRoleBody, ChangeUserStatusBody, InviteUserBody, UserAnswer } from './user.dto';

@ApiTags('users')
@Controller('v1/users')
export class UserController {
  constructor(private readonly commands: CommandBus) {}

  @Post()
  @ApiCommand({ summary: 'Add a user, who can work at once', status: 201, type: UserAnswer })
  async invite(
    @Body() { name, email, role }: InviteUserBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserAnswer> {
    const metadata = requestMetadata(request);
    const userId = createdId(metadata.commandId, 'user');
    return this.answer(userId, new InviteUser({ userId, name, email, role }, metadata), reply);
  }

  @Put(':id/status')
  @ApiCommand({
    summary: 'Activate or deactivate a user',
    status: 200,
    type: UserAnswer,
    problems: ['not-found'],
  })
  async changeStatus(
    @Param('id', EntityIdPipe) userId: string,
    @Body() { status, reason }: ChangeUserStatusBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserAnswer> {
    const metadata = requestMetadata(request);
    const command =
      status === 'active'
        ? new ActivateUser({ userId }, metadata)
        : new DeactivateUser({ userId, reason }, metadata);
    return this.answer(userId, command, reply);
  }

  @Put(':id/role')
  @ApiCommand({
    summary: 'Change the role of a user',
    status: 200,
    type: UserAnswer,
    problems: ['not-found', 'state-conflict'],
  })
  async changeRole(
    @Param('id', EntityIdPipe) userId: string,
    @Body() { role }: ChangeUserRoleBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<UserAnswer> {
    return this.answer(userId, new ChangeUserRole({ userId, role }, requestMetadata(request)), reply);
  }

  private async answer(userId: string, command: UserCommand, reply: FastifyReply): Promise<UserAnswer> {
    const outcome = await this.commands.execute<UserCommand, CommandOutcome<UserEvent>>(command);
    answerWritten(reply, { position: outcome.position });
    return { userId };
  }
}
