import { startHelper } from '../harness/helper-process';
import type { Case, Row, RowContext, Target } from '../harness/row';
import { appendLoadFile, type AppendLoad } from '../load/append-load';
import { startBenchPostgres, type BenchPostgres } from '../parts/bench-postgres';
import { nodeSide, serverSide, type AppendShape } from './append-sides';

const answerTimeoutMs = 10_000;
const singles: Target = { atLeast: 1.2 };
const hundreds: Target = { atLeast: 1 };

const cases: readonly { readonly name: string; readonly target: Target; readonly shape: AppendShape }[] = [
  { name: '1 in flight', target: singles, shape: { inFlight: 1, eventsPerAppend: 1 } },
  { name: '64 in flight', target: singles, shape: { inFlight: 64, eventsPerAppend: 1 } },
  { name: '256 in flight', target: singles, shape: { inFlight: 256, eventsPerAppend: 1 } },
  { name: '100 per append, JSON', target: hundreds, shape: { inFlight: 16, eventsPerAppend: 100 } },
  {
    name: '100 per append, binary',
    target: hundreds,
    shape: { inFlight: 16, eventsPerAppend: 100, binary: true },
  },
];

/** `append --url`: the same client code and load against our node and against a server that is already running. */
export const appendByUrlRow: Row = {
  name: 'append',
  ours: 'appends at exact revisions, official client, embedded node',
  over: 'the same client and load, the server at --url',
  unit: 'events/s',
  target: hundreds,
  open: async (context) => {
    const { url } = context;
    if (url === undefined) throw new Error('append by URL needs a URL');
    await assertAnswers(context, url);
    const postgres = await startBenchPostgres(context);
    return cases.map((each) => urlCase(each, context, postgres, url));
  },
};

/** Before anything is started: a wrong URL is the likeliest mistake. */
async function assertAnswers(context: RowContext, url: string): Promise<void> {
  const helper = startHelper<AppendLoad>(appendLoadFile, context.signal);
  try {
    await helper.call('open', { kind: 'event-store', url, binary: false }, answerTimeoutMs);
  } catch (error) {
    throw new Error(
      `the server at --url does not answer: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    await helper.stop();
  }
}

function urlCase(
  { name, target, shape }: (typeof cases)[number],
  context: RowContext,
  postgres: BenchPostgres,
  url: string,
): Case {
  return {
    name,
    target,
    sides: [nodeSide('embedded node', context, postgres, shape), serverSide(context, url, shape)],
  };
}
