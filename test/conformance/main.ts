import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkServerAnswers } from './support/preflight';
import { reportOf, tableOf, type JestResults } from './support/report';
import { parseServerAddress } from './support/server-address';
import { serverUrlVariable } from './support/server-variables';

interface Options {
  readonly url?: string;
  readonly json?: boolean;
  readonly testName?: string;
}

const exitCode = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Runs the conformance suite and prints what it found. Resolves to the exit code. */
async function run(options: Options): Promise<number> {
  if (options.url !== undefined) await checkServerAnswers(parseServerAddress(options.url));
  const directory = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const resultsFile = join(directory, 'results.json');
    await runJest(options, resultsFile);
    if (!existsSync(resultsFile)) {
      process.stderr.write('There is no result: the run was interrupted.\n');
      return exitCode.interrupted;
    }
    const results = JSON.parse(readFileSync(resultsFile, 'utf8')) as JestResults;
    const report = reportOf(results, options.testName);
    process.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : tableOf(report));
    if (report.passed + report.failed > 0) return report.failed === 0 ? exitCode.ok : exitCode.failed;
    process.stderr.write('No test has run.\n');
    return exitCode.failed;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Jest's own output goes to stderr, so that stdout has the result alone. Resolves when Jest has ended, well or not. */
async function runJest({ url, testName }: Options, resultsFile: string): Promise<void> {
  const args = [
    ...['--selectProjects', 'conformance', '--json', '--outputFile', resultsFile],
    ...(testName === undefined ? [] : ['--testNamePattern', testName]),
  ];
  const jest = spawn(process.execPath, [require.resolve('jest/bin/jest'), ...args], {
    env: { ...process.env, ...(url === undefined ? {} : { [serverUrlVariable]: url }) },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  // A terminal sends its signals to both; whoever signals this process alone means both as well.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => jest.kill(signal));
  await new Promise((resolve, reject) => jest.once('close', resolve).once('error', reject));
}

function expression(text: string): string {
  try {
    new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
  return text;
}

const command = new Command('conformance')
  .description('Checks the rules of an event store that this project relies on, through the official client.')
  .option(
    '--url <url>',
    'the server, as esdb://[user:password@]host:port[?tls=false]; else the embedded node',
  )
  .option('-t, --test-name <part>', 'only tests whose name matches this expression', expression)
  .exitOverride()
  .option('--json', 'one JSON object instead of the table')
  .action(async (options: Options) => {
    process.exitCode = await run(options);
  });

command.parseAsync().catch((error: unknown) => {
  // Commander has said what is wrong, or what was asked for.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    return;
  }
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = exitCode.usage;
});
