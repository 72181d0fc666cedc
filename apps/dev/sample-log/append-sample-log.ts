import type { EventStore } from '../../shared/event-store/event-store';
import type { SampleAct } from './sample-log';

/** Enough to keep the node's group commit full (performance.md, append). */
const actsInFlightMax = 256;

export interface AppendOptions {
  readonly signal: AbortSignal;
  /** Ends with the act that reaches it, and leaves the others to be taken; by default all are written. */
  readonly eventsMin?: number;
  readonly onProgress?: (events: number) => void;
}

export interface AppendedSampleLog {
  readonly events: number;
  /** Of the last event. */
  readonly position: bigint;
}

/**
 * Writes a sample log through the event store: acts of one lane one after the other, those of different lanes side by side.
 * Rejects with the first failure, once nothing is under way any more; when aborted, it ends with what was written.
 */
export async function appendSampleLog(
  store: EventStore,
  acts: AsyncIterator<SampleAct>,
  { signal, eventsMin = Infinity, onProgress }: AppendOptions,
): Promise<AppendedSampleLog> {
  const lanes = new Map<number, Promise<void>>();
  const slots = new Slots(actsInFlightMax);
  let events = 0;
  let position = 0n;
  let failure: { readonly error: unknown } | null = null;
  const write = async ({ appends }: SampleAct): Promise<void> => {
    for (const append of appends) {
      const appended = await store.append(append.streamName, append.expected, append.events);
      events += append.events.length;
      if (appended.position > position) position = appended.position;
    }
    onProgress?.(events);
  };
  let taken = 0;
  while (failure === null && !signal.aborted && taken < eventsMin) {
    const next = await acts.next();
    if (next.done === true) break;
    const act = next.value;
    taken += act.appends.reduce((sum, append) => sum + append.events.length, 0);
    await slots.take();
    const work = (lanes.get(act.lane) ?? Promise.resolve())
      .then(() => (failure === null ? write(act) : undefined))
      .catch((error: unknown) => void (failure ??= { error }))
      .finally(() => {
        slots.give();
        if (lanes.get(act.lane) === work) lanes.delete(act.lane);
      });
    lanes.set(act.lane, work);
  }
  await Promise.all(lanes.values());
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
  return { events, position };
}

/** So many may be taken at once; the next one waits. */
class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async take(): Promise<void> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  give(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free += 1;
  }
}
