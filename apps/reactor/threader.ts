import {
  EventStoreUnavailable,
  OutcomeUnknown,
  type EventStore,
  type LogEvent,
} from '../shared/event-store/event-store';
import { tenantIds } from '../shared/ids/tenant-ids';
import type { KeyRing } from '../shared/keys/key-ring';
import { isTransient } from '../shared/postgres/transient-error';
import { isMessageFact } from '../shared/threading/message-fact';
import { ThreadingContended, threadMessage } from '../shared/threading/thread-message';

/**
 * What came of one event: `done`, also where there was nothing to do; `parked` with the reason, where no later try of this
 * build can do better; `retry` for an outage, which is nobody's fault but the moment's.
 */
export type Reaction =
  | { readonly outcome: 'done' }
  | { readonly outcome: 'parked'; readonly reason: string }
  | { readonly outcome: 'retry'; readonly error: Error };

/**
 * The safety net under the command API's own threading: whatever stopped a message on its way into its conversation, its
 * fact in the log brings it here, and the same steps are taken again. Never throws.
 */
export function createThreader({ store, keys }: { store: EventStore; keys: KeyRing }) {
  return async (event: LogEvent): Promise<Reaction> => {
    if ('undecodable' in event) return { outcome: 'parked', reason: event.reason };
    if (!isMessageFact(event)) return { outcome: 'done' };
    const { tenantId, $correlationId: correlationId } = event.metadata;
    try {
      const ids = tenantIds(tenantId, await keys.pepper(tenantId));
      await threadMessage({ store, ids }, { fact: event, eventId: event.id, correlationId });
      return { outcome: 'done' };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      return isPassing(error) ? { outcome: 'retry', error } : { outcome: 'parked', reason: error.message };
    }
  };
}

function isPassing(error: Error): boolean {
  return (
    error instanceof EventStoreUnavailable ||
    error instanceof OutcomeUnknown ||
    error instanceof ThreadingContended ||
    isTransient(error)
  );
}
