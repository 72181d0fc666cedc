import { ApiProperty } from '@nestjs/swagger';

const id = { format: 'uuid' } as const;
const time = { format: 'date-time' } as const;
const nullable = { nullable: true, type: String } as const;

/** The shape of what PostgreSQL writes as JSON; for the documentation. */
export class MessageHead {
  @ApiProperty(id) id!: string;
  @ApiProperty() storageKey!: string;
  @ApiProperty() rawSizeBytes!: number;
  @ApiProperty() rawSha256!: string;
  @ApiProperty(time) storedAt!: string;
  @ApiProperty({ ...time, ...nullable }) expiresAt!: string | null;
  @ApiProperty() archived!: boolean;
  @ApiProperty({ ...nullable, description: 'Why the bytes could not be read as mail.' }) parkedReason!:
    string | null;
}

export class HeaderField {
  @ApiProperty() name!: string;
  @ApiProperty() value!: string;
}

export class AttachmentItem {
  @ApiProperty(id) id!: string;
  @ApiProperty(nullable) filename!: string | null;
  @ApiProperty({ description: 'As the sender claims it.' }) mimeType!: string;
  @ApiProperty() sizeBytes!: number;
  @ApiProperty() sha256!: string;
  @ApiProperty({ enum: ['attachment', 'inline'] }) disposition!: string;
  @ApiProperty(nullable) contentId!: string | null;
  @ApiProperty() url!: string;
}

export class MessageAnswer {
  @ApiProperty() message!: MessageHead;
  @ApiProperty(nullable) text!: string | null;
  @ApiProperty({ ...nullable, description: 'Sanitised.' }) html!: string | null;
  @ApiProperty({ description: 'The HTML is over 1 MiB and only to be had under /raw.' })
  htmlTooLarge!: boolean;
  @ApiProperty({ type: [HeaderField] }) headers!: HeaderField[];
  @ApiProperty({ type: [AttachmentItem] }) attachments!: AttachmentItem[];
}

export class ParkedItem {
  @ApiProperty(id) id!: string;
  @ApiProperty(id) mailboxId!: string;
  @ApiProperty(time) receivedAt!: string;
  @ApiProperty() rawUrl!: string;
  @ApiProperty(nullable) reason!: string | null;
  @ApiProperty({ nullable: true, type: Number }) rawSizeBytes!: number | null;
}

export class ParkedPage {
  @ApiProperty({ type: [ParkedItem] }) items!: ParkedItem[];
  @ApiProperty(nullable) nextCursor!: string | null;
}
