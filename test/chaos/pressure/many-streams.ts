import { NO_STREAM, WrongExpectedVersionError, type EventStoreDBClient } from '@eventstore/db-client';
import { testEvent, type TestNode } from '../../support/event-store-node';
import { residentMiB } from './process-memory';
import { atMost, exactly, type Finding, type PressureRun, nodeScenario } from './scenario';

const streamCounts = { quick: 4_000, full: 100_000 };
const inFlight = 256;
const sampled = 200;
const memoryMaxMiB = 400;

/** One event into each of 100,000 streams, then a second into some of them, with the exact revision, after a restart. */
export const manyStreams = nodeScenario('many streams', run);

async function run(node: TestNode, { size, tell, signal }: PressureRun): Promise<Finding[]> {
  const count = streamCounts[size];
  let refused = 0;
  for (let first = 0; first < count; first += inFlight) {
    signal.throwIfAborted();
    const group = Array.from({ length: Math.min(inFlight, count - first) }, (_, index) => first + index);
    await Promise.all(
      group.map((number) =>
        node
          .client()
          .appendToStream(streamName(number), testEvent('Opened'), { expectedRevision: NO_STREAM })
          .catch(() => (refused += 1)),
      ),
    );
    if (first > 0 && first % (inFlight * 50) === 0) tell(`${first} of ${count} streams`);
  }
  const memory = await residentMiB(node.process().pid);
  node.process().kill('SIGKILL');
  await node.restart();
  const step = Math.floor(count / sampled);
  const samples = Array.from({ length: sampled }, (_, index) => streamName(index * step));
  const continued = await Promise.all(samples.map((name) => continueStream(node.client(), name)));
  return [
    exactly(`first appends refused among ${count} streams`, refused, 0),
    atMost("the node's memory afterwards", memory, memoryMaxMiB, 'MiB'),
    exactly('sampled streams that go on at revision 1', continued.filter(Boolean).length, sampled),
  ];
}

function streamName(number: number): string {
  return `many-${number}`;
}

/** Whether the stream's second event got revision 1, a wrong expectation was refused, and both events read back. */
async function continueStream(client: EventStoreDBClient, name: string): Promise<boolean> {
  const refused = await client
    .appendToStream(name, testEvent('Wrong'), { expectedRevision: NO_STREAM })
    .then(() => false)
    .catch((error: unknown) => error instanceof WrongExpectedVersionError);
  const { nextExpectedRevision } = await client.appendToStream(name, testEvent('Continued'), {
    expectedRevision: 0n,
  });
  const types: string[] = [];
  for await (const { event } of client.readStream(name)) types.push(event?.type ?? '');
  return refused && nextExpectedRevision === 1n && types.join() === 'Opened,Continued';
}
