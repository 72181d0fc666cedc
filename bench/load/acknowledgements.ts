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

const violationsMax = 5;

/**
 * What a store has acknowledged, and the fold that holds its log against it: each acknowledged event is there once, at its
 * revision, with its content, and nothing else is.
 */
export class Acknowledgements {
  private readonly streams = new Map<string, { firstRevision: number; ids: string[] }>();

  constructor(private readonly payloads: Payloads) {}

  add({ streamName, expected, events }: PlannedAppend): void {
    const stream = this.streams.get(streamName) ?? { firstRevision: expected + 1, ids: [] };
    for (const { id } of events) stream.ids.push(id);
    this.streams.set(streamName, stream);
  }

  /** At most five lines; none when the log is right. `isForeign` tells streams of others, which a shared server has. */
  async compare(
    log: AsyncIterable<ReadBackEvent>,
    isForeign: (streamName: string) => boolean,
  ): Promise<string[]> {
    const violations: string[] = [];
    const read = new Map<string, number>();
    let position = -1n;
    for await (const event of log) {
      if (violations.length >= violationsMax) return violations;
      if (event.position <= position) violations.push(`position ${event.position} comes after ${position}`);
      position = event.position;
      const acknowledged = this.streams.get(event.streamName);
      if (acknowledged === undefined) {
        if (!isForeign(event.streamName)) violations.push(`${event.streamName} was never written`);
        continue;
      }
      const index = read.get(event.streamName) ?? 0;
      read.set(event.streamName, index + 1);
      const wrong = this.wrong(event, acknowledged.firstRevision + index, acknowledged.ids[index]);
      if (wrong !== undefined) violations.push(wrong);
    }
    for (const [streamName, { ids }] of this.streams) {
      const lost = ids.length - (read.get(streamName) ?? 0);
      if (lost > 0) violations.push(`${streamName} has lost its last ${lost} of ${ids.length} events`);
      if (violations.length >= violationsMax) break;
    }
    return violations;
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
