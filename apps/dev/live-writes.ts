import { setTimeout as delay } from 'node:timers/promises';
import { EventStoreUnavailable, OutcomeUnknown, type EventStore } from '../shared/event-store/event-store';
import type { SampleAct } from './sample-log/sample-log';
import type { SampleAppend } from './sample-log/scratch-store';

export interface WritesDone {
  readonly events: number;
  /** Of one append, with all its tries. */
  readonly slowestMs: number;
}

/** After it was told to stop. */
const patienceMs = 60_000;

/**
 * Goes on writing a sample log at an even pace until stopped, act after act. An append of unknown outcome is tried again for
 * as long as it takes, once stopped for a minute: with the same ids it takes effect once.
 */
export function writeContinuously(
  store: EventStore,
  acts: AsyncIterator<SampleAct>,
  { eventsPerSecond }: { readonly eventsPerSecond: number },
): { stop(): Promise<WritesDone> } {
  const stopping = new AbortController();
  let [events, slowestMs] = [0, 0];
  let patientUntil = Number.POSITIVE_INFINITY;
  const writing = (async () => {
    const startedAt = performance.now();
    for (;;) {
      const next = await acts.next();
      if (next.done === true || stopping.signal.aborted) return;
      for (const append of next.value.appends) {
        const begunAt = performance.now();
        await appendPatiently(store, append, () => performance.now() < patientUntil);
        slowestMs = Math.max(slowestMs, performance.now() - begunAt);
        events += append.events.length;
      }
      const aheadMs = (events / eventsPerSecond) * 1_000 - (performance.now() - startedAt);
      if (aheadMs > 0) await delay(aheadMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();
  // Told to whoever stops it.
  writing.catch(() => undefined);
  return {
    stop: async () => {
      patientUntil = performance.now() + patienceMs;
      stopping.abort();
      await writing;
      return { events, slowestMs };
    },
  };
}

async function appendPatiently(
  store: EventStore,
  { streamName, expected, events }: SampleAppend,
  isPatient: () => boolean,
): Promise<void> {
  for (;;) {
    try {
      await store.append(streamName, expected, events);
      return;
    } catch (error) {
      const mayPass = error instanceof OutcomeUnknown || error instanceof EventStoreUnavailable;
      if (!mayPass || !isPatient()) throw error;
    }
  }
}
