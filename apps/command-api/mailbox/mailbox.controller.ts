import { Body, Controller, Param, Post, Put, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  ChangeThreadingPolicy,
  ConnectMailbox,
  type MailboxCommand,
} from '../../../domain/mailbox/mailbox.commands';
import type { MailboxEvent } from '../../../domain/mailbox/mailbox.events';
import type { CommandOutcome } from '../../shared/event-store/handle-command';
import { EntityIdPipe } from '../../shared/http/entity-id.pipe';
import { createdId } from '../../shared/ids/uuid-v5';
import { answerWritten } from '../delivery/answer';
import { ApiCommand } from '../delivery/api-command';
import { requestMetadata } from '../delivery/request-metadata';
import { ChangeThreadingPolicyBody, ConnectMailboxBody, MailboxAnswer } from './mailbox.dto';

@ApiTags('mailboxes')
@Controller('v1/mailboxes')
export class MailboxController {
  constructor(private readonly commands: CommandBus) {}

  @Post()
  @ApiCommand({ summary: 'Connect a mailbox', status: 201, type: MailboxAnswer })
  async connect(
    @Body() { name, address, threadingPolicy }: ConnectMailboxBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MailboxAnswer> {
    const metadata = requestMetadata(request);
    const mailboxId = createdId(metadata.commandId, 'mailbox');
    const command = new ConnectMailbox({ mailboxId, name, address, threadingPolicy }, metadata);
    return this.answer(mailboxId, command, reply);
  }

  @Put(':id/threading-policy')
  @ApiCommand({
    summary: 'Choose how messages find their conversation',
    description: 'Holds for mail that comes in from now on.',
    status: 200,
    type: MailboxAnswer,
    problems: ['not-found'],
  })
  async changeThreadingPolicy(
    @Param('id', EntityIdPipe) mailboxId: string,
    @Body() { threadingPolicy }: ChangeThreadingPolicyBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MailboxAnswer> {
    const command = new ChangeThreadingPolicy({ mailboxId, threadingPolicy }, requestMetadata(request));
    return this.answer(mailboxId, command, reply);
  }

  private async answer(
    mailboxId: string,
    command: MailboxCommand,
    reply: FastifyReply,
  ): Promise<MailboxAnswer> {
    const outcome = await this.commands.execute<MailboxCommand, CommandOutcome<MailboxEvent>>(command);
    answerWritten(reply, { position: outcome.position });
    return { mailboxId };
  }
}
