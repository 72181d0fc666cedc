import type { Command, CommandMetadata } from '../decider';
import type { MessageParked, MessageReceived, MessageSubmitted } from './message.events';

// Plain classes, so that a command bus can route them by constructor while the domain imports no framework.

/**
 * `chunks` are the slices of the (compressed) raw MIME that go into the message's own stream together with the fact, in
 * order; none where the content already lies in a stream of its own (architecture.md §3).
 */
interface WithContent {
  readonly chunks: readonly Uint8Array[];
}

export class ReceiveMessage implements Command<'ReceiveMessage'> {
  readonly type = 'ReceiveMessage';
  constructor(
    readonly data: WithContent & { readonly message: MessageReceived['data'] },
    readonly metadata: CommandMetadata,
  ) {}
}

export class SubmitMessage implements Command<'SubmitMessage'> {
  readonly type = 'SubmitMessage';
  constructor(
    readonly data: WithContent & { readonly message: MessageSubmitted['data'] },
    readonly metadata: CommandMetadata,
  ) {}
}

export class ParkMessage implements Command<'ParkMessage'> {
  readonly type = 'ParkMessage';
  constructor(
    readonly data: WithContent & { readonly message: MessageParked['data'] },
    readonly metadata: CommandMetadata,
  ) {}
}

export type MessageCommand = ReceiveMessage | SubmitMessage | ParkMessage;
