import type { Command, CommandMetadata } from '../decider';
import type { ThreadMember } from './thread.events';

// Plain classes, so that a command bus can route them by constructor while the domain imports no framework.

interface OfThread {
  readonly threadId: string;
  readonly mailboxId: string;
}

export class AddThreadMembers implements Command<'AddThreadMembers'> {
  readonly type = 'AddThreadMembers';
  constructor(
    readonly data: OfThread & { readonly members: readonly ThreadMember[] },
    readonly metadata: CommandMetadata,
  ) {}
}

export class MergeThreads implements Command<'MergeThreads'> {
  readonly type = 'MergeThreads';
  constructor(
    readonly data: OfThread & { readonly into: string },
    readonly metadata: CommandMetadata,
  ) {}
}

export type ThreadCommand = AddThreadMembers | MergeThreads;
