import { ApiProperty } from '@nestjs/swagger';

const id = { format: 'uuid' } as const;
const time = { format: 'date-time' } as const;
const nullable = { nullable: true, type: String } as const;

/** The shape of what PostgreSQL writes as JSON; for the documentation. */
export class UserItem {
  @ApiProperty(id) id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() email!: string;
  @ApiProperty({ enum: ['owner', 'admin', 'agent', 'viewer'] }) role!: string;
  @ApiProperty({ enum: ['invited', 'active', 'deactivated'] }) status!: string;
  @ApiProperty(time) createdAt!: string;
  @ApiProperty(time) updatedAt!: string;
}

export class UsersPage {
  @ApiProperty({ type: [UserItem] }) items!: UserItem[];
  @ApiProperty(nullable) nextCursor!: string | null;
}

export class MailboxItem {
  @ApiProperty(id) id!: string;
  @ApiProperty() name!: string;
  @ApiProperty() address!: string;
  @ApiProperty({ enum: ['references', 'references-and-subject'] }) threadingPolicy!: string;
  @ApiProperty(time) createdAt!: string;
  @ApiProperty(time) updatedAt!: string;
}

export class MailboxesPage {
  @ApiProperty({ type: [MailboxItem] }) items!: MailboxItem[];
  @ApiProperty(nullable) nextCursor!: string | null;
}
