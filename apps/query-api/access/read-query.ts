import { ApiHideProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { IsInt, IsOptional, IsString, IsUUID, Length, Max, Min, ValidateBy } from 'class-validator';
import { generationDetail, isGenerationChoice } from './read-generation';
import { isPosition } from './read-position';

export const pageSizeMax = 200;
export const pageSizeDefault = 50;

const IsPosition = (): PropertyDecorator =>
  ValidateBy({
    name: 'isPosition',
    validator: {
      validate: isPosition,
      defaultMessage: () => 'must be a position, as X-Log-Position tells it: up to 20 digits',
    },
  });

/** Ids are compared as text in cache keys, so they have one spelling. */
export const LowerCase = (): PropertyDecorator =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.toLowerCase() : value));

/** What every read takes. */
export class ReadQuery {
  @ApiPropertyOptional({
    description:
      'A position of the log (X-Log-Position of a command). The read waits until it has been reached; 503 after 2 s.',
    example: '183042',
  })
  @IsOptional()
  @IsPosition()
  after?: string;

  @ApiPropertyOptional({
    description:
      'A frozen (as-of) generation to be read instead of what serves: its number, or numbers by tier (`oltp:5,content:3`). It shows the rows as they were at its position. 404 when there is none, or its time is over.',
    example: '5',
  })
  @IsOptional()
  @ValidateBy({
    name: 'isGenerationChoice',
    validator: { validate: isGenerationChoice, defaultMessage: () => generationDetail },
  })
  generation?: string;
}

export class PageQuery extends ReadQuery {
  @ApiPropertyOptional({ minimum: 1, maximum: pageSizeMax, default: pageSizeDefault })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(pageSizeMax)
  limit: number = pageSizeDefault;

  @ApiPropertyOptional({ description: 'nextCursor of the page before.' })
  @IsOptional()
  @IsString()
  @Length(1, 200)
  cursor?: string;
}

/** The one id in a path. */
export class IdPath {
  @ApiHideProperty()
  @LowerCase()
  @IsUUID('all')
  id!: string;
}
