import type { EventData, Payloads, PlannedAppend } from './workload';

/** An event as a store gives it back, in the order of its log. */
export interface ReadBackEvent {
  readonly streamName: string;
  readonly revision: number;
  /** In the whole log. */
  readonly position: bigint;
  readonly id: string;
  /** Absent where the store was given bytes without meaning. */
  readonly data?: Partial<EventData>;
}

/** What came of holding a log against what was acknowledged. */
export interface Comparison {
  /** At most five lines; none when the log is right. */
  readonly violations: readonly string[];
  /** In streams that were written here. */
  readonly ownEvents: number;
  /** In streams of others. */
  readonly foreignEvents: number;
}

const violationsMax = 5;

/** Of several writers that had a log to themselves: what none of them has written was written by nobody. */
export function violationsOfAll(comparisons: readonly Comparison[]): string[] {
  const violations = comparisons.flatMap((comparison) => comparison.violations);
  if (violations.length > 0) return violations;
  const written = comparisons.reduce((sum, { ownEvents }) => sum + ownEvents, 0);
  return comparisons.flatMap(({ ownEvents, foreignEvents }) => {
    const invented = ownEvents + foreignEvents - written;
    return invented === 0 ? [] : [`the log holds ${invented} events that nobody wrote`];
  });
}

/**
 * What a store has acknowledged, and the fold that holds its log against it: each acknowledged event is there once, at its
 * revision, with its content, and nothing else is in its stream.
 */
export class Acknowledgements {
  private readonly streams = new Map<string, { firstRevision: number; ids: string[] }>();

  constructor(private readonly payloads: Payloads) {}

  add({ streamName, expected, events }: PlannedAppend): void {
    const stream = this.streams.get(streamName) ?? { firstRevision: expected + 1, ids: [] };
    for (const { id } of events) stream.ids.push(id);
    this.streams.set(streamName, stream);
  }

  /** Ends early when enough is wrong. */
  async compare(log: AsyncIterable<ReadBackEvent>): Promise<Comparison> {
    const violations: string[] = [];
    let ownEvents = 0;
    let foreignEvents = 0;
    const read = new Map<string, number>();
    let position = -1n;
    for await (const event of log) {
      if (violations.length >= violationsMax) break;
      if (event.position <= position) violations.push(`position ${event.position} comes after ${position}`);
      position = event.position;
      const acknowledged = this.streams.get(event.streamName);
      if (acknowledged === undefined) {
        foreignEvents += 1;
        continue;
      }
      ownEvents += 1;
      const index = read.get(event.streamName) ?? 0;
      read.set(event.streamName, index + 1);
      const wrong = this.wrong(event, acknowledged.firstRevision + index, acknowledged.ids[index]);
      if (wrong !== undefined) violations.push(wrong);
    }
    for (const [streamName, { ids }] of this.streams) {
      if (violations.length >= violationsMax) break;
      const lost = ids.length - (read.get(streamName) ?? 0);
      if (lost > 0) violations.push(`${streamName} has lost its last ${lost} of ${ids.length} events`);
    }
    return { violations, ownEvents, foreignEvents };
  }

  private wrong(event: ReadBackEvent, revision: number, id: string | undefined): string | undefined {
    const place = `${event.streamName} at ${event.revision}`;
    if (id === undefined) return `${place}: ${event.id} was never acknowledged, or is there twice`;
    if (event.revision !== revision) return `${place}: revision ${revision} is missing before it`;
    if (event.id !== id) return `${place}: ${event.id} where ${id} was acknowledged`;
    const sameContent = event.data === undefined || this.payloads.isDataOf(id, event.data);
    return sameContent ? undefined : `${place}: another content than was sent`;
  }
}
