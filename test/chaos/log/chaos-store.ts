import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import type { KeyRing } from '../../../apps/shared/keys/key-ring';

// One key for all: a key store is not what chaos tests, and one beside the log would be killed together with it.
const keyId = '00000000-0000-4000-8000-0000000000e4';
const key = Buffer.alloc(32, 7);
const keys: KeyRing = {
  dataKey: async () => ({ keyId, key }),
  keyById: async () => key,
  pepper: async () => key,
};

/** The store as the product has it; `hasty` gives up early, so that more outcomes stay unknown. */
export function openChaosStore(url: string, hasty = false): EventStore {
  return createEventStore({ url, keys, ...(hasty ? { callTimeoutMs: 1_000, appendDeadlineMs: 500 } : {}) });
}
