import { ApiProperty } from '@nestjs/swagger';
import { listedStatuses } from './list-conversations.query';

const id = { format: 'uuid' } as const;
const time = { format: 'date-time' } as const;
const nullable = { nullable: true, type: String } as const;

/** The shape of what PostgreSQL writes as JSON; for the documentation. */
export class ConversationItem {
  @ApiProperty(id) id!: string;
  @ApiProperty(id) mailboxId!: string;
  @ApiProperty() subject!: string;
  @ApiProperty({ enum: listedStatuses }) status!: string;
  @ApiProperty({ ...id, ...nullable }) assigneeId!: string | null;
  @ApiProperty({ description: 'Inbound messages since anyone of the team last read it.' })
  unreadCount!: number;
  @ApiProperty() messageCount!: number;
  @ApiProperty() lastFrom!: string;
  @ApiProperty() preview!: string;
  @ApiProperty({ ...time, ...nullable }) lastMessageAt!: string | null;
  @ApiProperty(time) createdAt!: string;
  @ApiProperty(time) updatedAt!: string;
  @ApiProperty({ description: 'As in the ETag.' }) revision!: number;
}

export class ConversationsPage {
  @ApiProperty({ type: [ConversationItem] }) items!: ConversationItem[];
  @ApiProperty(nullable) nextCursor!: string | null;
}

export class Correspondent {
  @ApiProperty(nullable) name!: string | null;
  @ApiProperty() address!: string;
}

export class MessageItem {
  @ApiProperty(id) id!: string;
  @ApiProperty(id) conversationId!: string;
  @ApiProperty({ enum: ['inbound', 'outbound'] }) direction!: string;
  @ApiProperty({ enum: ['email', 'bounce', 'auto_reply'] }) messageType!: string;
  @ApiProperty({ enum: ['received', 'submitted', 'parked'] }) status!: string;
  @ApiProperty({ ...id, ...nullable }) parentMessageId!: string | null;
  @ApiProperty({ type: [Correspondent] }) from!: Correspondent[];
  @ApiProperty({ type: [Correspondent] }) to!: Correspondent[];
  @ApiProperty({ type: [Correspondent] }) cc!: Correspondent[];
  @ApiProperty() subject!: string;
  @ApiProperty() preview!: string;
  @ApiProperty() attachmentCount!: number;
  @ApiProperty({ ...time, ...nullable }) sentAt!: string | null;
  @ApiProperty({ ...time, description: 'When it came in or was submitted.' }) receivedAt!: string;
}

export class Note {
  @ApiProperty(id) id!: string;
  @ApiProperty(id) authorId!: string;
  @ApiProperty() text!: string;
  @ApiProperty(time) createdAt!: string;
}

export class ReadMark {
  @ApiProperty(id) agentId!: string;
  @ApiProperty({ description: 'Messages the agent has seen.' }) seenCount!: number;
  @ApiProperty(time) seenAt!: string;
}

export class ConversationAnswer {
  @ApiProperty() conversation!: ConversationItem;
  @ApiProperty({ type: [MessageItem] }) messages!: MessageItem[];
  @ApiProperty({ ...nullable, description: 'Goes on with the messages.' }) nextCursor!: string | null;
  @ApiProperty({ type: [Note] }) notes!: Note[];
  @ApiProperty({ type: [ReadMark] }) reads!: ReadMark[];
}
