import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, IsUUID, ValidateBy, type ValidationArguments } from 'class-validator';
import { LowerCase, ReadQuery } from '../access/read-query';

const dayMs = 86_400_000;
export const daysMax = 366;

export class DailyAnalyticsQuery extends ReadQuery {
  @ApiProperty({ format: 'date', description: 'First day, UTC.', example: '2026-11-01' })
  @IsDay()
  from!: string;

  @ApiProperty({ format: 'date', description: `Last day, inclusive; at most ${daysMax} days in all.` })
  @IsDay()
  @EndsRange()
  to!: string;

  @ApiPropertyOptional({ format: 'uuid' })
  @IsOptional()
  @LowerCase()
  @IsUUID('all')
  mailboxId?: string;
}

function IsDay(): PropertyDecorator {
  return ValidateBy({
    name: 'isDay',
    validator: {
      validate: (value: unknown) => dayNumber(value) !== null,
      defaultMessage: () => 'must be a day, as in 2026-11-21',
    },
  });
}

function EndsRange(): PropertyDecorator {
  return ValidateBy({
    name: 'endsRange',
    validator: {
      validate: (value: unknown, context?: ValidationArguments) => {
        const first = dayNumber((context?.object as DailyAnalyticsQuery).from);
        const last = dayNumber(value);
        // Days that are none are told of by their own field.
        return first === null || last === null || (last >= first && last - first < daysMax);
      },
      defaultMessage: () => `must not be before "from", nor more than ${daysMax} days with it`,
    },
  });
}

/** Days since 1970, or null for what is no day of the calendar. */
function dayNumber(value: unknown): number | null {
  if (typeof value !== 'string' || !/^[12]\d{3}-\d{2}-\d{2}$/.test(value)) return null;
  const milliseconds = Date.parse(`${value}T00:00:00Z`);
  if (Number.isNaN(milliseconds)) return null;
  return new Date(milliseconds).toISOString().startsWith(value) ? milliseconds / dayMs : null;
}
