import type { Decider } from '../decider';
import { DomainError } from '../domain-error';
import type { MessageCommand } from './message.commands';
import type { MessageContentStored, MessageEvent } from './message.events';

export type Message =
  | { readonly status: 'absent' }
  | {
      readonly status: 'received' | 'submitted' | 'parked';
      readonly messageId: string;
      /** Of the mail as a reader sees it; of the raw bytes where nobody could read it as mail. */
      readonly fingerprint: string;
    };

export type MessageErrorCode = 'MESSAGE_ID_REUSED';

export const message: Decider<Message, MessageCommand, MessageEvent> = {
  initialState: { status: 'absent' },
  decide(command, state) {
    switch (command.type) {
      case 'ReceiveMessage': {
        const { chunks, message } = command.data;
        return store(chunks, { type: 'MessageReceived', data: message }, message.fingerprint, state);
      }
      case 'SubmitMessage': {
        const { chunks, message } = command.data;
        return store(chunks, { type: 'MessageSubmitted', data: message }, message.fingerprint, state);
      }
      case 'ParkMessage': {
        const { chunks, message } = command.data;
        return store(chunks, { type: 'MessageParked', data: message }, message.content.sha256, state);
      }
    }
  },
  // Replays history that already happened: it never throws and never reads a clock.
  evolve(state, event) {
    switch (event.type) {
      case 'MessageContentStored':
        return state;
      case 'MessageReceived':
        return { status: 'received', messageId: event.data.messageId, fingerprint: event.data.fingerprint };
      case 'MessageSubmitted':
        return { status: 'submitted', messageId: event.data.messageId, fingerprint: event.data.fingerprint };
      case 'MessageParked':
        return { status: 'parked', messageId: event.data.messageId, fingerprint: event.data.content.sha256 };
    }
  },
};

/**
 * Content first, so that retention can cut it off the front of the stream and leave the fact (architecture.md §3).
 * The same mail again is no news. Another mail under the same Message-ID is refused here, and the caller stores it under
 * the id that includes its fingerprint: nothing is dropped, and nobody can make a mail vanish by reusing its id.
 */
function store(
  chunks: readonly Uint8Array[],
  fact: MessageEvent,
  fingerprint: string,
  state: Message,
): MessageEvent[] {
  if (state.status === 'absent') return [...chunks.map(contentStored), fact];
  if (state.fingerprint === fingerprint) return [];
  throw new DomainError<MessageErrorCode>('MESSAGE_ID_REUSED', 'Another message already has this Message-ID');
}

function contentStored(bytes: Uint8Array, chunk: number): MessageContentStored {
  return { type: 'MessageContentStored', data: { chunk, bytes } };
}
