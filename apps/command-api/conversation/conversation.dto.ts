import { ApiProperty } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsEmail,
  IsIn,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  ValidateIf,
} from 'class-validator';
import type { ConversationStatus } from '../../../domain/conversation/conversation.events';

const statuses: readonly ConversationStatus[] = ['open', 'pending', 'resolved', 'spam', 'trash'];
const recipientsMax = 100;
const textLengthMax = 500_000;
/** A note is one event, and an event is at most 1 MiB with its seal. */
const noteLengthMax = 100_000;

export class AssignBody {
  @ApiProperty({ format: 'uuid', nullable: true, type: String, description: 'null takes the assignee away.' })
  @ValidateIf(({ assigneeId }: AssignBody) => assigneeId !== null)
  @IsUUID('all')
  assigneeId!: string | null;
}

export class ChangeStatusBody {
  @ApiProperty({ enum: statuses })
  @IsIn(statuses)
  status!: ConversationStatus;
}

export class AgentBody {
  @ApiProperty({ format: 'uuid', description: 'An active user.' })
  @IsUUID('all')
  agentId!: string;
}

export class AddNoteBody {
  @ApiProperty({ format: 'uuid', description: 'An active user.' })
  @IsUUID('all')
  authorId!: string;

  @ApiProperty({ minLength: 1, maxLength: noteLengthMax })
  @IsString()
  @Length(1, noteLengthMax)
  text!: string;
}

export class ReplyBody {
  @ApiProperty({ format: 'uuid', description: 'An active user.' })
  @IsUUID('all')
  authorId!: string;

  @ApiProperty({ minLength: 1, maxLength: textLengthMax })
  @IsString()
  @Length(1, textLengthMax)
  text!: string;

  @ApiProperty({ required: false, minLength: 1, maxLength: textLengthMax })
  @IsOptional()
  @IsString()
  @Length(1, textLengthMax)
  html?: string;

  @ApiProperty({
    required: false,
    type: [String],
    description: 'Unless given, whoever wrote the message answered.',
  })
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(recipientsMax)
  @IsEmail({}, { each: true })
  to?: string[];

  @ApiProperty({ required: false, type: [String], default: [] })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(recipientsMax)
  @IsEmail({}, { each: true })
  cc?: string[];

  @ApiProperty({
    required: false,
    maxLength: 998,
    description: 'Unless given, "Re:" and the subject answered.',
  })
  @IsOptional()
  @IsString()
  @Length(1, 998)
  @Matches(/^\P{Cc}*$/u, { message: 'subject must be one line of text' })
  subject?: string;
}

export class ConversationAnswer {
  @ApiProperty({
    format: 'uuid',
    description: 'Another than was named, where that one has become part of it.',
  })
  conversationId!: string;
}

export class NoteAnswer extends ConversationAnswer {
  @ApiProperty({ format: 'uuid' })
  noteId!: string;
}

export class ReplyAnswer extends ConversationAnswer {
  @ApiProperty({ format: 'uuid' })
  messageId!: string;
}
