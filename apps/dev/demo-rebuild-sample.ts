import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { createEventStore } from '../shared/event-store/esdb-event-store';
import type { EventStore } from '../shared/event-store/event-store';
import { createKeyRing } from '../shared/keys/key-ring';
import { createPool } from '../shared/postgres/pool';
import { DemoClient } from './demo-client';
import { sampleLog, type SampleLog } from './sample-log/sample-log';
import type { System } from './system';

/** A sample log, and the log of a system that it goes into. */
export interface OpenSample {
  readonly store: EventStore;
  readonly log: SampleLog;
  /**
   * Resolves once the OLTP tier shows all that the log holds now; `onBehind` hears how far it is from that. Throws when the
   * tier has not moved for two minutes.
   */
  untilShown(onBehind: (positions: number) => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** For a tier that does not move at all; how long it takes to come to the end is up to the length of the log. */
const standstillMaxMs = 120_000;
/** So many more are there to be written afterwards. */
const laterEventsMax = 1_000_000;
const pollIntervalMs = 200;
const timeouts = { statementTimeoutMs: 10_000, queryTimeoutMs: 12_000, connectionTimeoutMs: 10_000 };
const statusShape = z.object({
  tiers: z.array(z.object({ tier: z.string(), position: z.string().nullable() })),
});

export function openSample(
  system: Pick<System, 'urls' | 'environment'>,
  { seed, events }: { readonly seed: number; readonly events: number },
): OpenSample {
  const { KEYS_DATABASE_URL: keysUrl = '', MAILFOLD_ROOT_KEY: rootKey = '' } = system.environment;
  const keysPool = createPool(keysUrl, { applicationName: 'mailfold-demo', maxConnections: 2, ...timeouts });
  const keys = createKeyRing({ pool: keysPool, rootKey: Buffer.from(rootKey, 'base64') });
  const store = createEventStore({ url: system.urls.eventStore, keys });
  const tenants = Math.min(200, Math.max(5, Math.round(events / 1_000)));
  const log = sampleLog({ seed, keys, tenants, events: events + laterEventsMax });
  return {
    ...{ store, log },
    untilShown: async (onBehind, signal) => {
      const head = (await store.head()) ?? 0n;
      const client = new DemoClient(system.urls, log.tenants[0]?.apiKey ?? '');
      let [reached, movedAt] = [0n, Date.now()];
      for (;;) {
        signal.throwIfAborted();
        const position = await oltpPosition(client);
        if (position >= head) return;
        if (position > reached) [reached, movedAt] = [position, Date.now()];
        if (Date.now() - movedAt > standstillMaxMs)
          throw new Error(`the OLTP tier stands still at ${position}, and the log ends at ${head}`);
        onBehind(Number(head - position));
        await delay(pollIntervalMs, undefined, { signal });
      }
    },
    close: async () => {
      await store.close();
      await keysPool.end();
    },
  };
}

/** 0 while the tenant is not known yet: its key comes by the same way. */
async function oltpPosition(client: DemoClient): Promise<bigint> {
  const response = await client.readAtOnce('/v1/status');
  if (response.status !== 200) return 0n;
  const { tiers } = statusShape.parse(await response.json());
  return BigInt(tiers.find(({ tier }) => tier === 'oltp')?.position ?? 0);
}
