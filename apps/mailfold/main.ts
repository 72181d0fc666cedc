#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { loadDevEnvironment } from '../shared/config/dev-environment';
import { countBetween, framed, position, twoGenerations } from './command-line';
import { exitCodes, type GlobalOptions } from './command-run';
import { importCommand, type ImportOptions } from './import/import.command';
import { logAuditCommand, type LogAuditOptions } from './log/log-audit.command';
import { logStatusCommand } from './log/log-status.command';
import { migrateCommand } from './migrate/migrate.command';
import { addRunCommands } from './rebuild/run.program';
import { requeueCommand, type RequeueOptions } from './requeue/requeue.command';
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
  .action(framed((context, path: string, options: ImportOptions) => importCommand(path, options, context)));

program
  .command('status')
  .description('show the log, and per tier its generations, positions, lag, rows and parked events')
  .action(framed((context) => statusCommand(context)));

addRunCommands(program);

program
  .command('console')
  .description('serve rebuilds and re-partitions over HTTP, for the operator (MAILFOLD_ADMIN_KEY)')
  .action(async (_options: unknown, command: Command) => {
    const { dataDir = process.env['DATA_DIR'] ?? '.mailfold' } = command.optsWithGlobals<GlobalOptions>();
    loadDevEnvironment(dataDir);
    // Loaded here, or every command would wait for the HTTP server's code.
    await import('./console/main.js');
  });

program
  .command('verify')
  .description('prove two generations of a tier equal at one position of the log, gate by gate')
  .argument('<tier>', 'oltp, content or olap')
  .option(
    '--generations <a,b>',
    'their numbers; else the one that serves and the latest other',
    twoGenerations,
  )
  .option('--expected <file>', 'JSON: what a changed projection is meant to change, table by table')
  .option('--certificate <file>', 'write the whole certificate there, with the digests of every slot')
  .action(framed((context, tier: string, options: VerifyOptions) => verifyCommand(tier, options, context)));

program
  .command('requeue')
  .description(
    'apply what is parked in a tier, now that the cause is gone; what still cannot be applied stays parked',
  )
  .argument('<tier>', 'oltp, content or olap')
  .option('--tenant <id>', 'sequences of this tenant')
  .option('--sequence <id>', 'this sequence, such as a conversation')
  .option('--all', 'everything that is parked')
  .action(framed((context, tier: string, options: RequeueOptions) => requeueCommand(tier, options, context)));

const log = program
  .command('log')
  .description('look at the log itself, and at the ledger that is kept of it');

log
  .command('status')
  .description('show how long the log is, how fast it grows, what is in it, and how far the ledger has come')
  .action(framed((context) => logStatusCommand(context)));

log
  .command('audit')
  .description('read the whole log and hold every event against the rules, its schema version and the ledger')
  .option('--after <position>', 'go on behind this position, as an interrupted audit says', position)
  .action(framed((context, options: LogAuditOptions) => logAuditCommand(options, context)));

program
  .command('migrate')
  .description('bring the databases up to date, and give each tier its first generation')
  .action(framed((context) => migrateCommand(context)));

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
