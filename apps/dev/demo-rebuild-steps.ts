import { z } from 'zod';
import { runMailfold } from './demo-cli';
import { expectEqual } from './demo-expectation';
import type { System } from './system';

/** The steps of a re-partition as an operator takes them, each with what it told. */
export interface RebuildSteps {
  fill(): Promise<{ result: number; told: string }>;
  verify(run: number): Promise<{ result: void; told: string }>;
  cutOver(run: number): Promise<{ result: void; told: string }>;
  rollBack(run: number): Promise<{ result: void; told: string }>;
}

const certificate = z.object({
  position: z.string(),
  heldMs: z.number(),
  holds: z.boolean(),
  tables: z.array(
    z.object({ table: z.string(), rows: z.tuple([z.number(), z.number()]), isEqual: z.boolean() }),
  ),
  gates: z.array(z.object({ gate: z.string(), holds: z.boolean().nullable(), detail: z.array(z.string()) })),
});
const runView = z.object({
  run: z.number(),
  state: z.string(),
  generations: z.array(z.object({ targets: z.array(z.object({ databaseRef: z.string() })) })),
  certificates: z.record(z.string(), z.unknown()),
});
type RunView = z.infer<typeof runView>;

const databases = 'OLTP_DATABASE_URL,OLTP_DATABASE_URL_B';
const canaryPauseMs = '300';

export function rebuildSteps(
  system: System,
  write: (line: string) => void,
  signal: AbortSignal,
): RebuildSteps {
  const mailfold = async (args: readonly string[], state: string): Promise<RunView> => {
    const tell = (text: string): void => {
      for (const line of text.split('\n')) if (line.trim() !== '') write(`  ${line.trim()}`);
    };
    const records = await runMailfold(['repartition', ...args], system.environment, signal, tell);
    const view = runView.parse(records.at(-1));
    expectEqual(`the run after mailfold repartition ${args[0] ?? ''}`, view.state, state);
    return view;
  };
  return {
    fill: async () => {
      const asked = ['run', 'oltp', '--shards', '4', '--databases', databases, '--source', 'replay'];
      const { run, generations } = await mailfold(asked, 'loaded');
      const targets = generations.flatMap((generation) => generation.targets);
      const used = new Set(targets.map(({ databaseRef }) => databaseRef)).size;
      return { result: run, told: `run ${run}, ${targets.length} shards in ${used} databases` };
    },
    verify: async (run) => {
      const { certificates } = await mailfold(['verify', String(run)], 'verified');
      const { position, heldMs, tables, gates } = certificate.parse(certificates['oltp']);
      for (const { gate, holds, detail } of gates)
        write(
          `  ${gate}: ${holds === null ? 'not run' : holds ? 'holds' : 'BROKEN'} ${detail[0] ?? ''}`.trimEnd(),
        );
      const rows = tables.reduce((sum, table) => sum + table.rows[0], 0);
      return {
        result: undefined,
        told: `${rows.toLocaleString('en-US')} rows of ${tables.length} tables equal at position ${position}, lanes held ${heldMs.toFixed(1)} ms`,
      };
    },
    cutOver: async (run) => {
      await mailfold(['cutover', String(run), '--canary', '--canary-pause-ms', canaryPauseMs], 'serving');
      return { result: undefined, told: 'four shards serve' };
    },
    rollBack: async (run) => {
      await mailfold(['rollback', String(run)], 'rolled-back');
      return { result: undefined, told: 'generation 1, which was kept up to date, serves again' };
    },
  };
}
