import type { Command, CommandMetadata } from '../decider';

/** Takes an Idempotency-Key before its command writes to a stream that the key does not name (architecture.md §3). */
export class AcceptCommand implements Command<'AcceptCommand'> {
  readonly type = 'AcceptCommand';
  constructor(
    readonly data: { readonly commandId: string; readonly route: string },
    readonly metadata: CommandMetadata,
  ) {}
}
