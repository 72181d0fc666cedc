#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { exitCodes, runCommand, type CommandContext, type GlobalOptions } from './command-run';
import { importCommand, type ImportOptions } from './import/import.command';
import { logAuditCommand, type LogAuditOptions } from './log/log-audit.command';
import { logStatusCommand } from './log/log-status.command';
import { migrateCommand } from './migrate/migrate.command';
import { rebuildCommand, type RebuildOptions } from './rebuild/rebuild.command';
import { statusCommand } from './status/status.command';
import { verifyCommand, type VerifyOptions } from './verify/verify.command';

const program = new Command('mailfold')
  .description('Look after a Mailfold system: its log, its read models, its mail.')
  .option('--json', 'results as JSON on stdout: one document per line')
  .option('--data-dir <folder>', 'data folder of a running `npm start`, for defaults (env DATA_DIR)')
  .showHelpAfterError('(mailfold help <command> tells more)')
  .exitOverride();

program
  .command('import')
  .description('send a mail, an mbox or a folder of them to a mailbox; the key comes from MAILFOLD_API_KEY')
  .argument('<path>', 'file, folder or mbox')
  .requiredOption('--mailbox <id>', 'mailbox that receives the mail')
  .option('--url <url>', 'command API (env COMMAND_API_URL)')
  .option('--concurrency <n>', 'requests at a time, 1 to 64', countBetween(1, 64), 4)
  .option('--journal <file>', 'remember what is done in this file, and skip it when run again')
  .option('--verbose', 'a line for every mail')
  .action(run((context, path: string, options: ImportOptions) => importCommand(path, options, context)));

program
  .command('status')
  .description('show the log, and per tier its generations, positions, lag, rows and parked events')
  .action(run((context) => statusCommand(context)));

program
  .command('rebuild')
  .description(
    'fill a new generation of a tier from the log while the old one serves, prove it, switch to it',
  )
  .argument('<tier>', 'oltp, content or olap')
  .option('--retire-old', 'drop the old generation instead of keeping it as the way back')
  .option('--accept-differences', 'switch although rows differ, as they do when a projection has changed')
  .option('--fresh', 'drop what an interrupted rebuild has left instead of going on with it')
  .action(run((context, tier: string, options: RebuildOptions) => rebuildCommand(tier, options, context)));

program
  .command('verify')
  .description('compare the rows of two generations of a tier at one position of the log')
  .argument('<tier>', 'oltp, content or olap')
  .option(
    '--generations <a,b>',
    'their numbers; else the one that serves and the latest other',
    twoGenerations,
  )
  .action(run((context, tier: string, options: VerifyOptions) => verifyCommand(tier, options, context)));

const log = program
  .command('log')
  .description('look at the log itself, and at the ledger that is kept of it');

log
  .command('status')
  .description('show how long the log is, how fast it grows, what is in it, and how far the ledger has come')
  .action(run((context) => logStatusCommand(context)));

log
  .command('audit')
  .description('read the whole log and hold every event against the rules, its schema version and the ledger')
  .option('--after <position>', 'go on behind this position, as an interrupted audit says', position)
  .action(run((context, options: LogAuditOptions) => logAuditCommand(options, context)));

program
  .command('migrate')
  .description('bring the databases up to date, and give each tier its first generation')
  .action(run((context) => migrateCommand(context)));

/** Gives an action its frame, and its command's options together with the global ones. */
function run<Args extends unknown[]>(
  action: (context: CommandContext, ...args: Args) => Promise<number | void>,
): (...args: [...Args, Command]) => Promise<void> {
  return (...args) => {
    const command = args.at(-1) as Command;
    return runCommand(command.optsWithGlobals<GlobalOptions>(), (context) =>
      action(context, ...(args.slice(0, -1) as unknown as Args)),
    );
  };
}

function countBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const count = Number(text);
    if (!Number.isInteger(count) || count < min || count > max)
      throw new InvalidArgumentError(`It takes a number from ${min} to ${max}.`);
    return count;
  };
}

function position(text: string): bigint {
  if (!/^\d{1,20}$/.test(text))
    throw new InvalidArgumentError('It takes a position of the log, such as 4711.');
  return BigInt(text);
}

function twoGenerations(text: string): readonly [number, number] {
  const [, first, second] = /^(\d{1,6}),(\d{1,6})$/.exec(text) ?? [];
  if (first === undefined || second === undefined || first === second)
    throw new InvalidArgumentError('It takes two numbers such as 1,2.');
  return [Number(first), Number(second)];
}

// EventStoreDB client 6.2.1 raises rejections nobody can catch when a node goes away (event-store.md §2.3); each call has
// its own error besides.
process.on('unhandledRejection', () => undefined);

// `mailfold … | head` has read enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.done);
  throw error;
});

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError)
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  else throw error;
});
