import { ApiProperty } from '@nestjs/swagger';
import { IsISO8601, IsOptional, IsString, IsTimeZone, Length } from 'class-validator';

export class RegisterTenantBody {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Acme support' })
  @IsString()
  @Length(1, 200)
  name!: string;

  @ApiProperty({
    required: false,
    default: 'UTC',
    description: 'IANA name, for clients to show times in; days of analytics are UTC days.',
  })
  @IsOptional()
  @IsTimeZone()
  timeZone: string = 'UTC';
}

export class IssueApiKeyBody {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'import job' })
  @IsString()
  @Length(1, 200)
  name!: string;

  @ApiProperty({ required: false, format: 'date-time', description: 'Never, unless given. In the future.' })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  expiresAt?: string;
}

export class IssuedApiKeyAnswer {
  @ApiProperty({ format: 'uuid' })
  apiKeyId!: string;

  @ApiProperty({
    description:
      'Shown here only, and on a retry with the same Idempotency-Key. The query API knows it a moment later; a read with ?after=<X-Log-Position of this answer> waits for that.',
  })
  apiKey!: string;
}

export class RegisteredTenantAnswer extends IssuedApiKeyAnswer {
  @ApiProperty({ format: 'uuid' })
  tenantId!: string;
}

export class RevokedApiKeyAnswer {
  @ApiProperty({ format: 'uuid' })
  apiKeyId!: string;
}
