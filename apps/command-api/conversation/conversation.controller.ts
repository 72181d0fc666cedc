import { Body, Controller, HttpCode, Inject, Param, Post, Put, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  AddNote,
  AssignConversation,
  ChangeStatus,
  MarkRead,
  MarkUnread,
  UnassignConversation,
} from '../../../domain/conversation/conversation.commands';
import type { EventStore } from '../../shared/event-store/event-store';
import { EntityIdPipe } from '../../shared/http/entity-id.pipe';
import { createdId } from '../../shared/ids/uuid-v5';
import { answerWritten } from '../delivery/answer';
import { ApiCommand } from '../delivery/api-command';
import { onBehalfOf, requestMetadata } from '../delivery/request-metadata';
import { demandActiveUser } from '../tenant-entities';
import { eventStoreToken } from '../tokens';
import type { AgentCommand, AgentOutcome } from './conversation-handlers';
import {
  AddNoteBody,
  AgentBody,
  AssignBody,
  ChangeStatusBody,
  ConversationAnswer,
  NoteAnswer,
  ReplyAnswer,
  ReplyBody,
} from './conversation.dto';
import { SubmitReply, type SubmittedReply } from './submit-reply';

@ApiTags('conversations')
@Controller('v1/conversations/:id')
export class ConversationController {
  constructor(
    private readonly commands: CommandBus,
    @Inject(eventStoreToken) private readonly store: EventStore,
  ) {}

  @Put('assignee')
  @ApiCommand({ summary: 'Assign, or unassign', status: 200, type: ConversationAnswer, conditional: true })
  async assign(
    @Param('id', EntityIdPipe) conversationId: string,
    @Body() { assigneeId }: AssignBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConversationAnswer> {
    const metadata = requestMetadata(request);
    if (assigneeId === null) {
      return this.answer(new UnassignConversation({ conversationId }, metadata), reply);
    }
    await demandActiveUser(this.store, metadata.tenantId, assigneeId, 'assigneeId');
    const data = { conversationId, assigneeId: assigneeId.toLowerCase(), cause: 'manual' } as const;
    return this.answer(new AssignConversation(data, metadata), reply);
  }

  @Put('status')
  @ApiCommand({ summary: 'Change the status', status: 200, type: ConversationAnswer, conditional: true })
  async changeStatus(
    @Param('id', EntityIdPipe) conversationId: string,
    @Body() { status }: ChangeStatusBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConversationAnswer> {
    const data = { conversationId, status, cause: 'agent' } as const;
    return this.answer(new ChangeStatus(data, requestMetadata(request)), reply);
  }

  @Post('read')
  @HttpCode(200)
  @ApiCommand({
    summary: 'Mark all as read by an agent',
    status: 200,
    type: ConversationAnswer,
    conditional: true,
  })
  async markRead(
    @Param('id', EntityIdPipe) conversationId: string,
    @Body() { agentId }: AgentBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConversationAnswer> {
    const metadata = await this.onBehalfOf(request, agentId, 'agentId');
    const data = { conversationId, agentId: agentId.toLowerCase() };
    return this.answer(new MarkRead(data, metadata), reply);
  }

  @Post('unread')
  @HttpCode(200)
  @ApiCommand({
    summary: 'Mark as unread by an agent',
    status: 200,
    type: ConversationAnswer,
    conditional: true,
  })
  async markUnread(
    @Param('id', EntityIdPipe) conversationId: string,
    @Body() { agentId }: AgentBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConversationAnswer> {
    const metadata = await this.onBehalfOf(request, agentId, 'agentId');
    const data = { conversationId, agentId: agentId.toLowerCase() };
    return this.answer(new MarkUnread(data, metadata), reply);
  }

  @Post('notes')
  @ApiCommand({ summary: 'Add an internal note', status: 201, type: NoteAnswer, conditional: true })
  async addNote(
    @Param('id', EntityIdPipe) conversationId: string,
    @Body() { authorId, text }: AddNoteBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<NoteAnswer> {
    const metadata = await this.onBehalfOf(request, authorId, 'authorId');
    const noteId = createdId(metadata.commandId, 'note');
    const note = { noteId, authorId: authorId.toLowerCase(), addedAt: metadata.now, text };
    const command = new AddNote({ conversationId, ...note, cause: 'agent' }, metadata);
    return { ...(await this.answer(command, reply)), noteId };
  }

  @Post('messages')
  @ApiCommand({ summary: 'Answer the customer', status: 201, type: ReplyAnswer, conditional: true })
  async reply(
    @Param('id', EntityIdPipe) conversationId: string,
    @Body() body: ReplyBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ReplyAnswer> {
    const authorId = body.authorId.toLowerCase();
    const metadata = onBehalfOf(requestMetadata(request), authorId);
    const command = new SubmitReply({ ...body, authorId, conversationId }, metadata);
    const submitted = await this.commands.execute<SubmitReply, SubmittedReply>(command);
    answerWritten(reply, submitted);
    return { messageId: submitted.messageId, conversationId: submitted.conversationId };
  }

  private async onBehalfOf(request: FastifyRequest, userId: string, field: string) {
    const metadata = onBehalfOf(requestMetadata(request), userId.toLowerCase());
    await demandActiveUser(this.store, metadata.tenantId, userId, field);
    return metadata;
  }

  private async answer(command: AgentCommand, reply: FastifyReply): Promise<ConversationAnswer> {
    const outcome = await this.commands.execute<AgentCommand, AgentOutcome>(command);
    answerWritten(reply, outcome);
    return { conversationId: outcome.conversationId };
  }
}
