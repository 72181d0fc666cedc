import { Module, type DynamicModule } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { SendRepresentation } from './access/send-representation';
import { AgentsController } from './agents/agents.controller';
import { GetAgentStatsHandler } from './agents/agent-stats.query';
import { AnalyticsController } from './analytics/analytics.controller';
import { GetDailyAnalyticsHandler } from './analytics/daily-analytics.query';
import { ConversationsController } from './conversations/conversations.controller';
import { GetConversationHandler } from './conversations/get-conversation.query';
import { ListConversationsHandler } from './conversations/list-conversations.query';
import { DirectoryController } from './directory/directory.controller';
import { ListDirectoryHandler } from './directory/list-directory.query';
import { GetAttachmentHandler } from './messages/get-attachment.query';
import { GetMessageHandler } from './messages/get-message.query';
import { GetRawMessageHandler } from './messages/get-raw-message.query';
import { ListParkedHandler } from './messages/list-parked.query';
import { MessagesController } from './messages/messages.controller';
import { Reads } from './reading/reads';
import { StatusController } from './status/status.controller';
import { TierStatuses } from './status/tier-status';

@Module({})
export class QueryApiModule {
  static over(reads: Reads, statuses: TierStatuses): DynamicModule {
    return {
      module: QueryApiModule,
      imports: [CqrsModule.forRoot()],
      controllers: [
        ConversationsController,
        MessagesController,
        AgentsController,
        AnalyticsController,
        DirectoryController,
        StatusController,
      ],
      providers: [
        { provide: Reads, useValue: reads },
        { provide: TierStatuses, useValue: statuses },
        { provide: APP_INTERCEPTOR, useClass: SendRepresentation },
        ListConversationsHandler,
        GetConversationHandler,
        GetMessageHandler,
        GetRawMessageHandler,
        GetAttachmentHandler,
        ListParkedHandler,
        GetAgentStatsHandler,
        GetDailyAnalyticsHandler,
        ListDirectoryHandler,
      ],
    };
  }
}
