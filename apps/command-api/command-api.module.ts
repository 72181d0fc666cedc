import { Module, type DynamicModule } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import type { Pool } from 'pg';
import type { EventStore } from '../shared/event-store/event-store';
import type { KeyRing } from '../shared/keys/key-ring';
import type { MailParser } from '../shared/mail/mail-parser';
import { ConversationController } from './conversation/conversation.controller';
import { conversationHandlers } from './conversation/conversation-handlers';
import { SubmitReplyHandler } from './conversation/submit-reply';
import { commandHandlers } from './delivery/command-handlers';
import { HealthController } from './health/health.controller';
import { MailboxController } from './mailbox/mailbox.controller';
import { IngestMailHandler } from './message/ingest-mail';
import { MessageController } from './message/message.controller';
import { ApiSecret } from './tenant/api-secret';
import { TenantController } from './tenant/tenant.controller';
import { eventStoreToken, keyRingToken, keysPoolToken, mailParserToken } from './tokens';
import { UserController } from './user/user.controller';

/** What the process opens and closes; Nest only passes it on. */
export interface CommandApiParts {
  readonly store: EventStore;
  readonly keyRing: KeyRing;
  readonly keysPool: Pool;
  readonly mailParser: MailParser;
  readonly apiSecret: ApiSecret;
}

@Module({})
export class CommandApiModule {
  static over(parts: CommandApiParts): DynamicModule {
    return {
      module: CommandApiModule,
      imports: [CqrsModule.forRoot()],
      controllers: [
        TenantController,
        UserController,
        MailboxController,
        MessageController,
        ConversationController,
        HealthController,
      ],
      providers: [
        { provide: eventStoreToken, useValue: parts.store },
        { provide: keyRingToken, useValue: parts.keyRing },
        { provide: keysPoolToken, useValue: parts.keysPool },
        { provide: mailParserToken, useValue: parts.mailParser },
        { provide: ApiSecret, useValue: parts.apiSecret },
        ...commandHandlers,
        ...conversationHandlers,
        IngestMailHandler,
        SubmitReplyHandler,
      ],
    };
  }
}
