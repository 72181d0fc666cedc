import { EventStoreDBClient } from '@eventstore/db-client';
import { createEventStore } from '../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../apps/shared/event-store/event-store';
import { serveHelper } from '../harness/helper-process';
import type { Window } from '../harness/pace';
import { Payloads, storedEventIds, storedStreamName, type EventData, type StoredStreams } from './workload';

/** What a reader is given of each event; all of it is looked at, the data too. */
interface ReadEvent {
  readonly id: string;
  readonly streamName: string;
  readonly revision: number;
  readonly position: bigint;
  readonly data: unknown;
}

export interface LogToRead {
  readonly reader: 'bulk' | 'official';
  readonly url: string;
  /** All that the log holds. */
  readonly stored: StoredStreams;
}

export interface ReadResult {
  readonly perSecond: number;
  readonly total: number;
}

/** A reader in a process of its own: reads the log from its start, again and again, and compares each event. */
export type ReadLoad = {
  open(log: LogToRead): Promise<void>;
  run(window: Window): Promise<ReadResult>;
  /** One pass over the whole log. */
  check(argument: null): Promise<readonly string[]>;
  close(argument: null): Promise<void>;
};

export const readLoadFile = 'bench/load/read-load.js';

interface LogReader {
  read(): AsyncIterable<ReadEvent>;
  close(): Promise<void>;
}

let reader: LogReader | undefined;
let expected: ((index: number, event: ReadEvent) => string | undefined) | undefined;
let eventCount = 0;
const wrong: string[] = [];

/** Nothing is sealed in this log, so nobody asks for a key. */
const noKeys = {
  dataKey: () => Promise.reject(new Error('no keys here')),
  keyById: () => Promise.reject(new Error('no keys here')),
  pepper: () => Promise.reject(new Error('no keys here')),
};

/** The bulk reader of rebuilds and audits. Here it must parse all data, as the official client always does. */
function bulkReader(url: string): LogReader {
  const store: EventStore = createEventStore({ url, keys: noKeys });
  return {
    read: () => store.readRecords({ after: null, withContent: true, signal: new AbortController().signal }),
    close: () => store.close(),
  };
}

function officialReader(url: string): LogReader {
  const client = EventStoreDBClient.connectionString(url);
  return { read: () => readAll(client), close: () => client.dispose() };
}

async function* readAll(client: EventStoreDBClient): AsyncGenerator<ReadEvent> {
  for await (const { event } of client.readAll()) {
    if (event === undefined || event.streamId.startsWith('$')) continue;
    const { id, streamId, revision, position, data } = event;
    yield { id, streamName: streamId, revision: Number(revision), position: position.commit, data };
  }
}

/** Tells what is wrong with the event that came as the `index`th, if anything. */
function comparison(stored: StoredStreams): (index: number, event: ReadEvent) => string | undefined {
  const payloads = new Payloads(stored.seed);
  const nextId = storedEventIds(stored);
  const ids = Array.from({ length: stored.streamCount * stored.eventsPerStream }, nextId);
  const streamNames = Array.from({ length: stored.streamCount }, (_, index) =>
    storedStreamName(stored, index),
  );
  let before = -1n;
  return (index, event) => {
    const ascends = index === 0 || event.position > before;
    before = event.position;
    const right =
      ascends &&
      event.id === ids[index] &&
      event.streamName === streamNames[Math.floor(index / stored.eventsPerStream)] &&
      event.revision === index % stored.eventsPerStream &&
      payloads.isDataOf(event.id, event.data as Partial<EventData>);
    return right ? undefined : `event ${index} of the log came as ${event.id} of ${event.streamName}`;
  };
}

/** Reads the log once; ends early when `onEvent` says so. */
async function pass(onEvent: () => boolean): Promise<void> {
  if (reader === undefined || expected === undefined) throw new Error('no log is open');
  let index = 0;
  for await (const event of reader.read()) {
    const complaint = expected(index, event);
    if (complaint !== undefined && wrong.length < 5) wrong.push(complaint);
    index += 1;
    if (!onEvent()) return;
  }
  if (index !== eventCount) wrong.push(`a pass gave ${index} of ${eventCount} events`);
}

const methods: ReadLoad = {
  open: async (log) => {
    reader = log.reader === 'bulk' ? bulkReader(log.url) : officialReader(log.url);
    expected = comparison(log.stored);
    eventCount = log.stored.streamCount * log.stored.eventsPerStream;
    wrong.length = 0;
  },
  run: async ({ warmUpMs, durationMs }) => {
    const startedAt = performance.now();
    let total = 0;
    let measuredFrom = { at: Infinity, total: 0 };
    let measuredTo = { at: 0, total: 0 };
    // The clock is read now and then only: a call per event would be part of what is measured.
    const onEvent = (): boolean => {
      total += 1;
      if (total % 256 !== 0) return true;
      const at = performance.now();
      if (at < startedAt + warmUpMs) return true;
      if (measuredFrom.at === Infinity) measuredFrom = { at, total };
      measuredTo = { at, total };
      return at < measuredFrom.at + durationMs;
    };
    while (measuredTo.at < measuredFrom.at + durationMs && wrong.length === 0) await pass(onEvent);
    const seconds = (measuredTo.at - measuredFrom.at) / 1_000;
    return { perSecond: (measuredTo.total - measuredFrom.total) / seconds, total };
  },
  check: async () => {
    await pass(() => true);
    return wrong;
  },
  close: async () => {
    await reader?.close();
    reader = undefined;
  },
};

if (require.main === module) serveHelper(methods);
