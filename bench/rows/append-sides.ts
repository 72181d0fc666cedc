import { randomBytes } from 'node:crypto';
import { startHelper, type Helper } from '../harness/helper-process';
import type { ObservedProcess, RowContext, Side } from '../harness/row';
import { appendLoadFile, type AppendLoad, type StoreToLoad } from '../load/append-load';
import type { StoredStreams } from '../load/workload';
import { startBenchNode } from '../parts/bench-node';
import type { BenchPostgres } from '../parts/bench-postgres';

/** How a side is loaded. */
export interface AppendShape {
  readonly inFlight: number;
  readonly eventsPerAppend: number;
  /** Events as bytes the store cannot look into. */
  readonly binary?: boolean;
  readonly stored?: StoredStreams;
  readonly namespace?: string;
}

/** A quarter of the appends creates a stream, the others extend one at an exact revision. */
export const appendsPerStream = 4;

/** Where a side's load goes: made afresh for each round. */
interface Server {
  readonly store: StoreToLoad;
  readonly processes: readonly ObservedProcess[];
  stop(): Promise<void>;
}

/** A side that appends as fast as `start`'s server acknowledges, in a load generator of its own, and reads all of it back. */
function appendSide(
  name: string,
  context: RowContext,
  shape: AppendShape,
  start: () => Promise<Server>,
): Side {
  let load: Helper<AppendLoad> | undefined;
  let server: Server | undefined;
  // Started once: a client that was compiled in the first round stays so, as in a process that lives for days.
  const generator = (): Helper<AppendLoad> => {
    if (load === undefined) {
      const started = startHelper<AppendLoad>(appendLoadFile, context.signal);
      context.onClose(() => started.stop());
      load = started;
    }
    return load;
  };
  return {
    name,
    prepare: async () => {
      server = await start();
      await generator().call('open', server.store);
    },
    run: async ({ seed, warmUpMs, durationMs }) => {
      const { inFlight, eventsPerAppend, stored, namespace } = shape;
      const { perSecond, total } = await generator().call('run', {
        inFlight,
        warmUpMs,
        durationMs,
        workload: {
          seed,
          eventsPerAppend,
          appendsPerStream,
          ...(stored === undefined ? {} : { stored }),
          ...(namespace === undefined ? {} : { namespace }),
        },
      });
      return { value: perSecond, eventCount: total };
    },
    check: () => generator().call('check', null),
    close: async () => {
      try {
        if (load !== undefined && !context.signal.aborted) await load.call('close', null);
      } finally {
        await server?.stop();
        server = undefined;
      }
    },
    processes: () => [
      ...(load === undefined ? [] : [{ name: 'load', pid: load.pid }]),
      ...(server?.processes ?? []),
    ],
  };
}

/** Our node with the official client. `template` is a database with a log in it; without, the log is empty. */
export function nodeSide(
  name: string,
  context: RowContext,
  postgres: BenchPostgres,
  shape: AppendShape,
  template?: string,
): Side {
  const database = databaseName(name);
  return appendSide(name, context, shape, async () => {
    await postgres.drop(database);
    const node = await startBenchNode(await postgres.create(database, template));
    return {
      store: { kind: 'event-store', url: node.url, binary: shape.binary === true, isOurs: true },
      processes: [
        { name: 'node', pid: node.pid },
        { name: 'postgres', pid: postgres.pid, withChildren: true },
      ],
      stop: async () => {
        await node.stop();
        await postgres.drop(database);
      },
    };
  });
}

/** Any server by URL, as it stands: its log cannot be emptied, so each round writes streams of its own. */
export function serverSide(context: RowContext, url: string, shape: AppendShape): Side {
  const namespace = randomBytes(4).toString('hex');
  return appendSide('server', context, { ...shape, namespace }, async () => ({
    store: { kind: 'event-store', url, binary: shape.binary === true, isOurs: false },
    processes: [],
    stop: async () => undefined,
  }));
}

const connectionCount = 32;

/** What PostgreSQL does for whoever simply inserts: one event, one transaction, 32 connections. */
export function rawInsertSide(context: RowContext, postgres: BenchPostgres): Side {
  return connectionsSide('raw insert', context, postgres, (url) => ({
    kind: 'raw-insert',
    url,
    connectionCount,
  }));
}

/** Emmett on the same PostgreSQL. */
export function emmettSide(context: RowContext, postgres: BenchPostgres): Side {
  return connectionsSide('emmett', context, postgres, (url) => ({ kind: 'emmett', url, connectionCount }));
}

/** A store that is a library over connections to an empty database, one event at a time on each. */
function connectionsSide(
  name: string,
  context: RowContext,
  postgres: BenchPostgres,
  storeAt: (databaseUrl: string) => StoreToLoad,
): Side {
  const database = databaseName(name);
  return appendSide(name, context, { inFlight: connectionCount, eventsPerAppend: 1 }, async () => {
    await postgres.drop(database);
    const url = await postgres.create(database);
    return {
      store: storeAt(url),
      processes: [{ name: 'postgres', pid: postgres.pid, withChildren: true }],
      stop: () => postgres.drop(database),
    };
  });
}

function databaseName(side: string): string {
  return `bench ${side}`;
}
