import { z } from 'zod';
import { certificateLines, shownCertificate } from './demo-certificate';
import { runMailfold } from './demo-cli';
import { expectEqual, UnexpectedAnswer } from './demo-expectation';
import { figure, indented, type Stage } from './demo-step';
import type { System } from './system';

type Told<Result = void> = Promise<{ result: Result; told: string }>;

/** The steps of a re-partition as an operator takes them, each with what it told. */
export interface RebuildSteps {
  fill(): Told<number>;
  verify(run: number): Told;
  cutOver(run: number): Told;
  /** These as a program takes them, over HTTP at the console: without the start of a process in their time. */
  rollBackByConsole(run: number): Told;
  cutOverByConsole(run: number): Told;
}

const runView = z.object({
  run: z.number(),
  state: z.string(),
  generations: z.array(
    z.object({
      generation: z.number(),
      targets: z.array(
        z.object({
          databaseRef: z.string(),
          schema: z.string(),
          slots: z.object({ from: z.number(), to: z.number() }),
        }),
      ),
    }),
  ),
  certificates: z.record(z.string(), z.unknown()),
});
type RunView = z.infer<typeof runView>;

const databases = 'OLTP_DATABASE_URL,OLTP_DATABASE_URL_B';
const canaryPauseMs = '300';

export function rebuildSteps(system: System, { write, signal }: Stage): RebuildSteps {
  const expectState = (what: string, view: RunView, state: string): RunView => {
    expectEqual(`the run after ${what}`, view.state, state);
    return view;
  };
  const mailfold = async (args: readonly string[], state: string): Promise<RunView> => {
    const records = await runMailfold(['repartition', ...args], system.environment, signal, indented(write));
    return expectState(`mailfold repartition ${args[0] ?? ''}`, runView.parse(records.at(-1)), state);
  };
  const console = async (run: number, action: string, state: string): Promise<RunView> =>
    expectState(action, await postToConsole(system, `/v1/runs/${run}/${action}`, signal), state);
  return {
    fill: async () => {
      const asked = ['run', 'oltp', '--shards', '4', '--databases', databases, '--source', 'replay'];
      const { run, generations } = await mailfold(asked, 'loaded');
      const targets = generations.flatMap((generation) => generation.targets);
      for (const { slots, databaseRef, schema } of targets)
        write(`  slots ${slots.from}-${slots.to} in schema ${schema} of ${databaseRef}`);
      const told = `run ${run}; three quarters of the slots are in ${targets.length} new shards, the first quarter stays where it is`;
      return { result: run, told };
    },
    verify: async (run) => {
      const { certificates } = await mailfold(['verify', String(run)], 'verified');
      const certificate = shownCertificate.parse(certificates['oltp']);
      for (const line of certificateLines(certificate)) write(`  ${line}`);
      const held = figure(Math.round(certificate.heldMs));
      const told = `the certificate holds; for it the projector's lanes stood still for ${held} ms`;
      return { result: undefined, told };
    },
    cutOver: async (run) => {
      await mailfold(['cutover', String(run), '--canary', '--canary-pause-ms', canaryPauseMs], 'serving');
      return { result: undefined, told: 'four shards serve' };
    },
    rollBackByConsole: async (run) => {
      await console(run, 'rollback', 'rolled-back');
      return { result: undefined, told: 'one shard, which was kept up to date meanwhile, serves all again' };
    },
    cutOverByConsole: async (run) => {
      await console(run, 'cutover', 'serving');
      return { result: undefined, told: 'four shards serve' };
    },
  };
}

async function postToConsole(
  { urls, secrets }: Pick<System, 'urls' | 'secrets'>,
  path: string,
  signal: AbortSignal,
): Promise<RunView> {
  const response = await fetch(urls.console + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${secrets.adminKey}`, 'content-type': 'application/json' },
    body: '{}',
    signal,
  });
  const text = await response.text();
  if (response.status !== 200) throw new UnexpectedAnswer(`POST ${path}`, 200, `${response.status} ${text}`);
  return runView.parse(JSON.parse(text));
}
