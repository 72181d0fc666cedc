import { ApiProperty } from '@nestjs/swagger';

/** The shape of what PostgreSQL writes as JSON; for the documentation. */
export class AgentStats {
  @ApiProperty({ format: 'uuid' }) agentId!: string;
  @ApiProperty() name!: string;
  @ApiProperty({ enum: ['invited', 'active', 'deactivated'] }) status!: string;
  @ApiProperty() openConversations!: number;
  @ApiProperty() pendingConversations!: number;
  @ApiProperty({ description: 'Unread messages in the conversations assigned to the agent.' })
  totalUnread!: number;
}

export class AgentsStats {
  @ApiProperty({ type: [AgentStats] }) items!: AgentStats[];
}
