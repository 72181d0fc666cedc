import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { ArrayNotEmpty, IsIn, IsInt, IsOptional, IsUUID, Max, Min, ValidateIf } from 'class-validator';
import { LowerCase, PageQuery, pageSizeMax } from '../access/read-query';
import { listedStatuses, type ListedStatus } from './list-conversations.query';

export class ConversationsQuery extends PageQuery {
  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @LowerCase()
  @IsUUID('all')
  mailboxId?: string;

  @ApiPropertyOptional({ description: "An agent's id, or `none` for conversations of nobody." })
  @ValidateIf(({ assigneeId }: ConversationsQuery) => assigneeId !== undefined && assigneeId !== 'none')
  @LowerCase()
  @IsUUID('all', { message: 'assigneeId must be a UUID or none' })
  assigneeId?: string;

  @ApiPropertyOptional({
    description: `Comma-separated: ${listedStatuses.join(', ')}.`,
    default: 'open,pending',
    type: String,
  })
  @Transform(({ value }: { value: unknown }) => statusList(value))
  @ArrayNotEmpty()
  @IsIn(listedStatuses, { each: true })
  status: ListedStatus[] = ['open', 'pending'];
}

export class ConversationQuery extends PageQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: pageSizeMax, default: pageSizeMax, description: 'Messages.' })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(pageSizeMax)
  override limit: number = pageSizeMax;
}

/** In one order and without doubles, so that one list has one cache entry. Anything else is left for the validator. */
function statusList(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const asked = new Set(value.split(','));
  const known = listedStatuses.filter((status) => asked.delete(status));
  return [...known, ...asked];
}
