import { ApiProperty } from '@nestjs/swagger';
import { IsEmail, IsIn, IsOptional, IsString, Length } from 'class-validator';
import type { ThreadingPolicy } from '../../../domain/mailbox/mailbox.events';

const threadingPolicies: readonly ThreadingPolicy[] = ['references', 'references-and-subject'];

export class ConnectMailboxBody {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Support' })
  @IsString()
  @Length(1, 200)
  name!: string;

  @ApiProperty({ format: 'email', maxLength: 254, example: 'support@acme.example' })
  @IsEmail()
  address!: string;

  @ApiProperty({ required: false, enum: threadingPolicies, default: 'references' })
  @IsOptional()
  @IsIn(threadingPolicies)
  threadingPolicy: ThreadingPolicy = 'references';
}

export class ChangeThreadingPolicyBody {
  @ApiProperty({ enum: threadingPolicies })
  @IsIn(threadingPolicies)
  threadingPolicy!: ThreadingPolicy;
}

export class MailboxAnswer {
  @ApiProperty({ format: 'uuid' })
  mailboxId!: string;
}
