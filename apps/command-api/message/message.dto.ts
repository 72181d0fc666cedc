import { ApiProperty } from '@nestjs/swagger';

export class IngestedAnswer {
  @ApiProperty({ enum: ['accepted', 'duplicate'] })
  outcome!: 'accepted' | 'duplicate';

  @ApiProperty({ format: 'uuid' })
  messageId!: string;

  @ApiProperty({ format: 'uuid' })
  conversationId!: string;
}

export class ParkedAnswer {
  @ApiProperty({ enum: ['parked'] })
  outcome!: 'parked';

  @ApiProperty({ format: 'uuid' })
  messageId!: string;

  @ApiProperty({ example: 'not-mime' })
  reason!: string;

  @ApiProperty()
  detail!: string;
}
