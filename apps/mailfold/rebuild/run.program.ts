import type { Command } from 'commander';
import { countBetween, framed, list, oneOf, slots } from '../command-line';
import { fillCommand, planCommand, resumeCommand } from './fill.commands';
import type { CutOverFlags, ExpectedFlags, FillFlags, RepartitionFlags, RebuildFlags } from './run-flags';
import {
  cutOverCommand,
  discardCommand,
  pauseCommand,
  retireCommand,
  rollBackCommand,
  statusCommand,
  throttleCommand,
  verifyCommand,
} from './step.commands';

const runNumber = countBetween(1, 2 ** 31 - 1);
const eventsPerSecond = countBetween(1, 10_000_000);
const expectedText = 'JSON: what a changed projection is meant to change, table by table';

/** `mailfold rebuild …` and `mailfold repartition …`. What follows `run` is the same for both. */
export function addRunCommands(program: Command): void {
  const rebuild = program
    .command('rebuild')
    .description(
      'fill new generations of tiers from the log while the old ones serve, prove them, let them serve',
    );
  scopeOfRebuild(rebuild.command('plan'))
    .description('reckon what a rebuild takes, without making anything')
    .action(
      framed((context, tiers: string[], flags: RebuildFlags) =>
        planCommand('rebuild', tiers, flags, context),
      ),
    );
  fillOptions(scopeOfRebuild(rebuild.command('run')))
    .description('fill a new generation beside the one that serves, or go on with one that was begun')
    .action(
      framed((context, tiers: string[], flags: RebuildFlags & FillFlags) =>
        fillCommand('rebuild', tiers, flags, context),
      ),
    );
  addSteps(rebuild);

  const repartition = program
    .command('repartition')
    .description(
      'spread a tier over other shards or databases while it serves; only the slots that move are filled anew',
    );
  scopeOfRepartition(repartition.command('plan'))
    .description('list the slots that would move, and reckon what that takes')
    .action(
      framed((context, tiers: string[], flags: RepartitionFlags) =>
        planCommand('repartition', tiers, flags, context),
      ),
    );
  fillOptions(scopeOfRepartition(repartition.command('run')))
    .description('fill the new place of the slots that move, or go on with a run that was begun')
    .action(
      framed((context, tiers: string[], flags: RepartitionFlags & FillFlags) =>
        fillCommand('repartition', tiers, flags, context),
      ),
    );
  addSteps(repartition);
}

function scopeOfRebuild(command: Command): Command {
  return command
    .argument('[tiers...]', 'oltp, content or olap; several are fed by one read of the log')
    .option('--all', 'every tier')
    .option('--tenant <id>', 'rows of this tenant only')
    .option('--conversation <id>', "with --tenant: this conversation's rows only, in place")
    .option('--as-of <time or position>', 'a temporary copy as it was then, beside what serves')
    .option('--ttl <hours>', 'how long a temporary copy is kept', countBetween(1, 8_760), 24)
    .option('--slots <a-b>', 'these slots only', slots)
    .option(
      '--rolling <ranges>',
      'range by range: filled, proved, served, and what served it dropped, before the next',
      countBetween(2, 64),
    )
    .option('--databases <names>', 'variables of the databases to spread it over, with commas', list)
    .option('--collect-poison', 'park what cannot be applied and go on, instead of stopping there');
}

function scopeOfRepartition(command: Command): Command {
  return command
    .argument('[tiers...]', 'one tier: oltp, content or olap')
    .option('--shards <n>', 'how many parts of equal size', countBetween(1, 64))
    .option('--databases <names>', 'variables of their databases, in turn, with commas', list)
    .option('--tenant <id>', 'move this tenant only')
    .option('--to <name>', "variable of the database that is the tenant's own from then on")
    .option('--back', 'with --tenant: from its own place back to where its slots are served')
    .option('--history-partitions <interval>', 'week or month', oneOf('week', 'month'))
    .option(
      '--source <source>',
      'replay the log, or copy the rows that serve (replay, copy)',
      oneOf('replay', 'copy'),
    )
    .option('--collect-poison', 'park what cannot be applied and go on, instead of stopping there');
}

function fillOptions(command: Command): Command {
  return command
    .option('--plan <run>', 'carry out this plan', runNumber)
    .option('--fresh', 'discard what an interrupted run of the same task has made')
    .option('--events-per-second <n>', 'go no faster than this', eventsPerSecond)
    .option('--governor-p95-ms <ms>', 'slow down when reads take longer than this', countBetween(1, 60_000))
    .option('--verify', 'then prove it')
    .option('--expected <file>', `with --verify: ${expectedText}`)
    .option('--cutover', 'then let it serve, if the proof holds')
    .option('--canary', 'with --cutover: one slot, eight, all')
    .option('--retire', 'then drop what served before, and with it the way back')
    .option('--without-shadow-reads', 'with --cutover or --rolling: although reads were not compared')
    .option('--force', 'with --cutover: serve although the proof does not hold')
    .option('--reason <text>', 'why; kept in the journal of the run');
}

function addSteps(group: Command): void {
  const onRun = (name: string, description: string): Command =>
    group.command(name).description(description).argument('<run>', 'its number', runNumber);
  group
    .command('status')
    .description('show one run with its journal, or the latest ones')
    .argument('[run]', 'its number', runNumber)
    .option('--watch', 'again and again, until nobody works on it')
    .action(
      framed((context, run: number | undefined, flags: { watch?: boolean }) =>
        statusCommand(run, flags, context),
      ),
    );
  onRun('pause', 'let the process that fills it wait').action(
    framed((context, run: number) => pauseCommand(run, context)),
  );
  onRun('resume', 'wake the process that waits; go on here when there is none')
    .option('--governor-p95-ms <ms>', 'slow down when reads take longer than this', countBetween(1, 60_000))
    .action(framed((context, run: number, flags: FillFlags) => resumeCommand(run, flags, context)));
  onRun('throttle', 'bound how fast it goes, also while it runs')
    .requiredOption('--events-per-second <n or off>', 'the bound', (text) =>
      text === 'off' ? 'off' : eventsPerSecond(text),
    )
    .action(
      framed((context, run: number, flags: { eventsPerSecond: number | 'off' }) =>
        throttleCommand(run, flags.eventsPerSecond === 'off' ? null : flags.eventsPerSecond, context),
      ),
    );
  onRun('verify', 'prove that it holds what serves, at one position of the log')
    .option('--expected <file>', expectedText)
    .action(framed((context, run: number, flags: ExpectedFlags) => verifyCommand(run, flags, context)));
  onRun('cutover', 'let queries read it')
    .option('--slots <a-b>', 'these slots only', slots)
    .option('--tenant <id>', 'this tenant only')
    .option('--canary', 'one slot, eight, all, with a look at its health between')
    .option(
      '--canary-pause-ms <ms>',
      'how long each stage serves before that look',
      countBetween(0, 3_600_000),
    )
    .option('--without-shadow-reads', 'although reads were not compared')
    .option('--force', 'without a proof that holds')
    .option('--reason <text>', 'why; kept in the journal of the run')
    .action(framed((context, run: number, flags: CutOverFlags) => cutOverCommand(run, flags, context)));
  onRun('rollback', 'let what served before serve again').action(
    framed((context, run: number) => rollBackCommand(run, context)),
  );
  onRun('retire', 'drop what served before, and with it the way back')
    .option('--yes', 'do not ask')
    .action(framed((context, run: number, flags: { yes?: boolean }) => retireCommand(run, flags, context)));
  onRun('discard', 'drop what it has made, as long as nothing of it serves')
    .option('--yes', 'do not ask')
    .action(framed((context, run: number, flags: { yes?: boolean }) => discardCommand(run, flags, context)));
}
