import { randomBytes } from 'node:crypto';
import type { ObservedProcess, RowContext, Side } from '../harness/row';
import { AppendFleet } from '../load/append-fleet';
import type { StoreToLoad } from '../load/append-load';
import type { StoredStreams } from '../load/workload';
import { startBenchNode } from '../parts/bench-node';
import type { BenchPostgres } from '../parts/bench-postgres';

/** How a side is loaded. */
export interface AppendShape {
  readonly inFlight: number;
  readonly eventsPerAppend: number;
  /** Events as bytes the store cannot look into. */
  readonly binary?: boolean;
  /** Requests encoded by hand, instead of by the official client. */
  readonly byHand?: boolean;
  readonly stored?: StoredStreams;
  readonly namespace?: string;
}

/** A quarter of the appends creates a stream, the others extend one at an exact revision. */
export const appendsPerStream = 4;

/** Where a side's load goes: made afresh for each round. */
interface Server {
  readonly store: StoreToLoad;
  readonly processes: readonly ObservedProcess[];
  /** Whether nobody else writes there: then it holds what was acknowledged and nothing else. */
  readonly isOurs: boolean;
  stop(): Promise<void>;
}

/** A side that appends as fast as `start`'s server acknowledges, from processes of its own, and reads all of it back. */
function appendSide(
  name: string,
  context: RowContext,
  shape: AppendShape,
  start: () => Promise<Server>,
): Side {
  let fleet: AppendFleet | undefined;
  let server: Server | undefined;
  return {
    name,
    prepare: async () => {
      server = await start();
      // Started once: a client that was compiled in the first round stays so, as in a process that lives for days.
      fleet ??= new AppendFleet(context, shape.inFlight);
      await fleet.open(server.store);
    },
    run: async ({ seed, warmUpMs, durationMs }) => {
      const { eventsPerAppend, stored, namespace } = shape;
      const { perSecond, total } = await running(fleet).run({
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
    check: () => running(fleet).check(server?.isOurs === true),
    close: async () => {
      try {
        if (!context.signal.aborted) await fleet?.close();
      } finally {
        await server?.stop();
        server = undefined;
      }
    },
    processes: () => [...(fleet?.processes() ?? []), ...(server?.processes ?? [])],
  };
}

function running(fleet: AppendFleet | undefined): AppendFleet {
  if (fleet === undefined) throw new Error('the side was not prepared');
  return fleet;
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
      store: shape.byHand
        ? { kind: 'protocol', url: node.url }
        : { kind: 'event-store', url: node.url, binary: shape.binary === true },
      isOurs: true,
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
    store: { kind: 'event-store', url, binary: shape.binary === true },
    isOurs: false,
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
      isOurs: true,
      processes: [{ name: 'postgres', pid: postgres.pid, withChildren: true }],
      stop: () => postgres.drop(database),
    };
  });
}

function databaseName(side: string): string {
  return `bench ${side}`;
}
