import type { Command, CommandMetadata } from '../decider';
import type { ThreadingPolicy } from './mailbox.events';

// Plain classes, so that a command bus can route them by constructor while the domain imports no framework.

export class ConnectMailbox implements Command<'ConnectMailbox'> {
  readonly type = 'ConnectMailbox';
  constructor(
    readonly data: {
      readonly mailboxId: string;
      readonly name: string;
      readonly address: string;
      readonly threadingPolicy: ThreadingPolicy;
    },
    readonly metadata: CommandMetadata,
  ) {}
}

/** Holds for mail that comes in from now on; what has its conversation keeps it. */
export class ChangeThreadingPolicy implements Command<'ChangeThreadingPolicy'> {
  readonly type = 'ChangeThreadingPolicy';
  constructor(
    readonly data: { readonly mailboxId: string; readonly threadingPolicy: ThreadingPolicy },
    readonly metadata: CommandMetadata,
  ) {}
}

export type MailboxCommand = ConnectMailbox | ChangeThreadingPolicy;
