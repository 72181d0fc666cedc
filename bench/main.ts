import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { table } from '../apps/mailfold/output';
import { caseRecord, goalOf, quickMark, reportLines, type Reported, type RunFacts } from './harness/report';
import type { Row } from './harness/row';
import { fullPlan, quickPlan } from './harness/run-case';
import { runRow } from './harness/run-row';
import { rows, rowsByUrl } from './registry';

const exitCodes = { passed: 0, failed: 1, usage: 2, interrupted: 130 } as const;

interface Options {
  readonly list?: boolean;
  readonly quick?: boolean;
  readonly json?: boolean;
  readonly seed: number;
  readonly events?: number;
  readonly url?: string;
  readonly rounds?: number;
  readonly case?: string;
}

class UsageError extends Error {}

const program = new Command('bench')
  .description('Measure rows: ours over somebody else, in turn, as a ratio. See docs/benchmarks.md.')
  .argument('[rows...]', 'names of rows')
  .option('--list', 'show all rows and their goals')
  .option('--quick', `a few short rounds: shows that a row runs; ${quickMark}`)
  .option('--json', 'one JSON object per case on stdout')
  .option('--seed <n>', 'of all ids, names and payloads', wholeNumber(0), 1)
  .option('--case <part>', 'of rows with several cases, only those whose name has this in it')
  .option('--events <n>', 'rebuild…: length of the log', wholeNumber(1_000))
  .option('--url <esdb url>', 'append: run against the server there instead of raw inserts')
  .option(
    '--rounds <n>',
    `alternations; default ${fullPlan.rounds}, which is also the least without --quick`,
    wholeNumber(1),
  )
  .exitOverride()
  .action(async (names: string[], options: Options) => {
    process.exitCode = options.list === true ? list() : await bench(names, options);
  });

function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < min)
      throw new InvalidArgumentError(`It takes a whole number from ${min} up.`);
    return value;
  };
}

function list(): number {
  const goals = [...rows, ...rowsByUrl.map((row) => ({ ...row, name: `${row.name} --url` }))].map(
    ({ name, ours, over, target }) => [name, goalOf(target), `${ours} / ${over}`],
  );
  for (const line of table([['row', 'goal', 'ours / over'], ...goals])) process.stdout.write(`${line}\n`);
  return exitCodes.passed;
}

async function bench(names: readonly string[], options: Options): Promise<number> {
  const chosen = chosenRows(names, options);
  const quick = options.quick === true;
  const facts: RunFacts = { quick, seed: options.seed, startedAt: new Date() };
  const interruption = interruptible();
  const base = quick ? quickPlan : fullPlan;
  const plan = { ...base, rounds: options.rounds ?? base.rounds, seed: options.seed };
  const reported: Reported[] = [];
  try {
    for (const row of chosen)
      await runRow(row, {
        plan,
        quick,
        ...(options.events === undefined ? {} : { events: options.events }),
        ...(options.url === undefined ? {} : { url: options.url }),
        ...(options.case === undefined ? {} : { casePart: options.case }),
        signal: interruption,
        notice,
        onCase: (done) => {
          reported.push(done);
          if (options.json === true) process.stdout.write(`${JSON.stringify(caseRecord(done, facts))}\n`);
        },
      });
  } catch (error) {
    if (!interruption.aborted) throw error;
    notice('Interrupted: what was started is stopped, what was written is removed.');
    return exitCodes.interrupted;
  } finally {
    // Also after a failure: the rows before it are done.
    if (options.json !== true && reported.length > 0)
      for (const line of reportLines(reported, facts)) process.stdout.write(`${line}\n`);
  }
  if (reported.length === 0) throw new UsageError(`no case has ${options.case} in its name`);
  return reported.every(({ result }) => result.pass) ? exitCodes.passed : exitCodes.failed;
}

function notice(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Aborted by Ctrl-C. Later ones change nothing: a PostgreSQL left behind would go on running by itself. */
function interruptible(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (!controller.signal.aborted) notice('Stopping …');
    controller.abort();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  return controller.signal;
}

function chosenRows(names: readonly string[], { quick, rounds, url }: Options): readonly Row[] {
  if (names.length === 0) throw new UsageError('name a row, or ask for --list');
  if (quick !== true && rounds !== undefined && rounds < fullPlan.rounds)
    throw new UsageError(`fewer than ${fullPlan.rounds} rounds make no claim; add --quick`);
  const known = url === undefined ? rows : rowsByUrl;
  return names.map((name) => {
    const row = known.find((each) => each.name === name);
    if (row !== undefined) return row;
    throw new UsageError(
      url === undefined ? `no row ${name}; --list shows all` : `${name} does not run against a URL`,
    );
  });
}

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
  else {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
  }
});
