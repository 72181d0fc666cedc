import { closedLoop, type ClosedLoopResult, type Window } from '../harness/pace';
import { serveHelper } from '../harness/helper-process';
import { Acknowledgements, type Comparison } from './acknowledgements';
import type { AppendStore } from './append-store';
import { openEmmett } from './emmett';
import { openEventStoreClient, type EventStoreClientOptions } from './event-store-client';
import { openProtocolClient } from './protocol-client';
import { openRawInsert } from './raw-insert';
import { Workload, type WorkloadOptions } from './workload';

/** Which store a load generator writes to. */
export type StoreToLoad =
  | ({ readonly kind: 'event-store' } & EventStoreClientOptions)
  | { readonly kind: 'protocol'; readonly url: string }
  | { readonly kind: 'raw-insert' | 'emmett'; readonly url: string; readonly connectionCount: number };

export interface AppendRun extends Window {
  readonly inFlight: number;
  readonly workload: WorkloadOptions;
}

/** A load generator in a process of its own: opens a store, appends to it, and compares what it holds afterwards. */
// A type, because an interface has no index signature and could not be told from the methods of any helper.
export type AppendLoad = {
  open(store: StoreToLoad): Promise<void>;
  run(run: AppendRun): Promise<ClosedLoopResult>;
  check(argument: null): Promise<Comparison>;
  close(argument: null): Promise<void>;
};

export const appendLoadFile = 'bench/load/append-load.js';

let store: AppendStore | undefined;
let acknowledgements: Acknowledgements | undefined;

function opened(): AppendStore {
  if (store === undefined) throw new Error('no store is open');
  return store;
}

async function openStore(toLoad: StoreToLoad): Promise<AppendStore> {
  switch (toLoad.kind) {
    case 'event-store':
      return openEventStoreClient(toLoad);
    case 'protocol':
      return openProtocolClient(toLoad.url);
    case 'raw-insert':
      return openRawInsert(toLoad.url, toLoad.connectionCount);
    case 'emmett':
      return openEmmett(toLoad.url, toLoad.connectionCount);
  }
}

const methods: AppendLoad = {
  open: async (toLoad) => {
    store = await openStore(toLoad);
  },
  run: async ({ inFlight, workload: options, ...window }) => {
    const target = opened();
    const workload = new Workload(options);
    const acknowledged = (acknowledgements = new Acknowledgements(workload.payloads));
    return closedLoop(inFlight, window, async (worker) => {
      const append = workload.next(worker);
      await target.append(append);
      acknowledged.add(append);
      return append.events.length;
    });
  },
  check: async () => {
    const target = opened();
    if (acknowledgements === undefined) throw new Error('nothing was run');
    return acknowledgements.compare(target.readBack());
  },
  close: async () => {
    await store?.close();
    store = undefined;
    acknowledgements = undefined;
  },
};

if (require.main === module) serveHelper(methods);
