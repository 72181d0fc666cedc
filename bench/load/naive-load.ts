import { Pool } from 'pg';
import type { RowOperation } from '../../projections/projection';
import { projectionTier } from '../../projections/tiers';
import type { ProjectionTier } from '../../projections/tier';
import { createEventStore } from '../../apps/shared/event-store/esdb-event-store';
import { createKeyRing } from '../../apps/shared/keys/key-ring';
import { createMailParser, replayParseTimeoutMs } from '../../apps/shared/mail/mail-parser';
import { ContentReader } from '../../apps/shared/projecting/content-reader';
import { foldEvent, type ReadableEvent } from '../../apps/shared/projecting/fold-event';
import { applyOperations } from '../../apps/shared/projecting/row-writer';
import type { LogToRead, TierToLoad } from '../../apps/shared/rebuilding/contracts';
import { serveHelper } from '../harness/helper-process';
import type { Window } from '../harness/pace';

export interface NaiveResult {
  readonly eventsPerSecond: number;
  readonly events: number;
  /** Of the last event applied. */
  readonly position: bigint;
}

/**
 * A rebuild as it is first written: event by event, each row read, folded and written by statements of its own, which commit
 * by themselves; those of one event side by side, over the tiers and over the rows of a tier.
 */
export type NaiveLoad = {
  run(argument: { log: LogToRead; tiers: readonly TierToLoad[]; window: Window }): Promise<NaiveResult>;
};

export const naiveLoadFile = 'bench/load/naive-load.js';

interface NaiveTier {
  readonly tier: ProjectionTier;
  readonly schema: string;
  readonly pool: Pool;
}

const connectionsPerTier = 8;

const methods: NaiveLoad = {
  run: async ({ log, tiers, window: { warmUpMs, durationMs } }) => {
    const opened = tiers.map(openTier);
    try {
      const startedAt = performance.now();
      let [events, position, measuredFrom, eventsBefore] = [0, 0n, 0, 0];
      for await (const event of readableEvents(log)) {
        await Promise.all(opened.map((tier) => apply(tier, event)));
        events += 1;
        position = event.position;
        const now = performance.now();
        if (measuredFrom === 0 && now >= startedAt + warmUpMs) [measuredFrom, eventsBefore] = [now, events];
        if (measuredFrom !== 0 && now >= measuredFrom + durationMs) break;
      }
      const seconds = (performance.now() - measuredFrom) / 1_000;
      return { eventsPerSecond: (events - eventsBefore) / seconds, events, position };
    } finally {
      await Promise.all(opened.map(({ pool }) => pool.end()));
    }
  },
};

function openTier({ tier: name, targets }: TierToLoad): NaiveTier {
  const [target] = targets;
  const tier = projectionTier(name);
  if (tier === undefined || target === undefined) throw new Error(`${name} has no target`);
  const { databaseUrl, schema } = target;
  return { tier, schema, pool: new Pool({ connectionString: databaseUrl, max: connectionsPerTier }) };
}

/** Decoded, with content; read far ahead of what is applied. */
async function* readableEvents(log: LogToRead): AsyncGenerator<ReadableEvent> {
  const keysPool = new Pool({ connectionString: log.keysDatabaseUrl, max: 1 });
  const keys = createKeyRing({ pool: keysPool, rootKey: Buffer.from(log.rootKey) });
  const store = createEventStore({ url: log.eventStoreUrl, keys });
  const parser = createMailParser({ threads: 1, timeoutMs: replayParseTimeoutMs });
  const content = new ContentReader(store, parser);
  const stop = new AbortController();
  try {
    for await (const record of store.readRecords({ after: null, withContent: true, signal: stop.signal })) {
      const event = await content.join(await store.open(record));
      if (event !== null) yield event;
    }
  } finally {
    stop.abort();
    await Promise.all([store.close(), parser.close(), keysPool.end()]);
  }
}

/** Operations on one row keep their order: the row's statements form a chain. */
async function apply({ tier, schema, pool }: NaiveTier, event: ReadableEvent): Promise<void> {
  const folded = foldEvent(tier, event);
  if (folded === null) return;
  const rows = new Map<string, RowOperation[]>();
  for (const operation of folded.operations) {
    const row = `${operation.table.name} ${operation.tenantId} ${operation.key.join(' ')}`;
    rows.set(row, [...(rows.get(row) ?? []), operation]);
  }
  const { position } = folded;
  await Promise.all(
    [...rows.values()].map(async (operations) => {
      const client = await pool.connect();
      try {
        for (const operation of operations) await applyOperations(client, schema, [{ position, operation }]);
      } finally {
        client.release();
      }
    }),
  );
}

if (require.main === module) serveHelper(methods);
