import { NO_STREAM, START, type AllStreamSubscription, type EventStoreDBClient } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, testEvent, type TestNode } from '../../support/event-store-node';
import { eventually } from '../../support/eventually';
import { residentMiB } from './process-memory';
import { atMost, exactly, type Finding, type PressureRun, nodeScenario } from './scenario';

const sizes = {
  quick: { subscribers: 40, rounds: 4, appendsPerRound: 100 },
  full: { subscribers: 90, rounds: 6, appendsPerRound: 600 },
};
const eventsPerAppend = 100;
/** What a heap may need to settle, whatever the backlog. */
const growthMaxMiB = 96;

/**
 * Subscribers that take nothing while the log grows by many times their windows: the node must hold no backlog for them.
 * The memory after the second round, when all have joined, is compared with that after the last.
 */
export const slowSubscribers = nodeScenario('slow subscribers', async (node, options) => {
  const readers = connect(node.port());
  try {
    return await run(node, readers, options);
  } finally {
    await readers.dispose();
  }
});

async function run(
  node: TestNode,
  readers: EventStoreDBClient,
  { size, tell, signal }: PressureRun,
): Promise<Finding[]> {
  const { subscribers, rounds, appendsPerRound } = sizes[size];
  const join = (): AllStreamSubscription[] =>
    Array.from({ length: subscribers / 2 }, () => stalledSubscription(readers));
  // Half are live before the first event comes, half have to catch up.
  const stalled = join();
  const afterRound: number[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round === 1) stalled.push(...join());
    await appendMany(node.client(), appendsPerRound, signal);
    await delay(500, undefined, { signal });
    afterRound.push(await residentMiB(node.process().pid));
    tell(`round ${round + 1} of ${rounds}: ${Math.round(afterRound.at(-1) ?? 0)} MiB resident`);
  }
  const first = stalled[0];
  const expected = rounds * appendsPerRound * eventsPerAppend;
  const delivered = first === undefined ? 0 : await countOnceRead(first, expected);
  await Promise.allSettled(stalled.map((subscription) => subscription.unsubscribe()));
  const growth = (afterRound.at(-1) ?? 0) - (afterRound[1] ?? 0);
  return [
    atMost(
      `growth of the node's memory under ${subscribers} stalled subscribers`,
      growth,
      growthMaxMiB,
      'MiB',
    ),
    exactly('events one of them gets once it reads', delivered, expected),
  ];
}

/** Never read, so nothing asks the network for more. */
function stalledSubscription(client: EventStoreDBClient): AllStreamSubscription {
  const subscription = client.subscribeToAll({ fromPosition: START });
  subscription.on('error', () => undefined);
  subscription.pause();
  return subscription;
}

async function appendMany(client: EventStoreDBClient, appends: number, signal: AbortSignal): Promise<void> {
  const data = { text: 'x'.repeat(900) };
  for (let done = 0; done < appends; done += 8) {
    signal.throwIfAborted();
    await Promise.all(
      Array.from({ length: Math.min(8, appends - done) }, () =>
        client.appendToStream(
          `pressure-${randomUUID()}`,
          Array.from({ length: eventsPerAppend }, () => testEvent('Pressed', data)),
          { expectedRevision: NO_STREAM },
        ),
      ),
    );
  }
}

/** How many of our events come, in ascending order, until there are enough or no more come. */
async function countOnceRead(subscription: AllStreamSubscription, expected: number): Promise<number> {
  let count = 0;
  let last = -1n;
  subscription.on('data', ({ event }) => {
    if (event?.type !== 'Pressed' || event.position.commit <= last) return;
    last = event.position.commit;
    count += 1;
  });
  subscription.resume();
  await eventually(() => {
    if (count < expected) throw new Error(`${count} of ${expected} events`);
  }, 60_000).catch(() => undefined);
  return count;
}
