#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { randomInt } from 'node:crypto';
import type { Campaign } from './campaign';
import { logCampaign } from './log/campaign';
import { pressureCampaign } from './pressure/campaign';
import { rebuildCampaign } from './rebuild/campaign';

const exitCodes = { held: 0, broken: 1, usage: 2, interrupted: 130 } as const;
const seedMax = 2 ** 32 - 1;

const campaigns: Readonly<Record<string, Campaign>> = {
  log: logCampaign,
  pressure: pressureCampaign,
  rebuild: rebuildCampaign,
};

const program = new Command('chaos')
  .description('Break a running Mailfold on purpose, and check that it has kept its promises.')
  .showHelpAfterError('(chaos help <command> tells more)')
  .exitOverride();

for (const [name, campaign] of Object.entries(campaigns)) {
  const command = program
    .command(name)
    .description(campaign.description)
    .option('--quick', 'the short form, as in CI', false)
    .option('--json', 'all figures as one JSON document on stdout', false);
  if (campaign.drawsFaults)
    command
      .option('--self-test', 'only prove that the harness sees what it is there to see', false)
      .option('--seed <n>', 'of the faults and of what is written; drawn and printed otherwise', seedOf);
  if (campaign.checkAgain)
    command.option('--check <folder>', 'only check again what a failed run has kept there');
  command.action((options: Options) => run(campaign, options));
}

interface Options {
  readonly quick: boolean;
  readonly json: boolean;
  readonly selfTest?: boolean;
  readonly seed?: number;
  readonly check?: string;
}

async function run(
  campaign: Campaign,
  { quick, json, selfTest = false, seed, check }: Options,
): Promise<void> {
  const interruption = new AbortController();
  const interrupt = (): void => {
    if (interruption.signal.aborted) process.exit(exitCodes.interrupted);
    process.stderr.write('\nStopping; what was seen so far is checked first. Once more to end at once.\n');
    interruption.abort();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt).on('SIGHUP', interrupt);
  const held =
    check !== undefined && campaign.checkAgain
      ? await campaign.checkAgain(check, json)
      : await campaign.run({
          ...{ quick, selfTestOnly: selfTest, json, signal: interruption.signal },
          seed: seed ?? randomInt(seedMax),
        });
  if (!held) process.exitCode = exitCodes.broken;
  else process.exitCode = interruption.signal.aborted ? exitCodes.interrupted : exitCodes.held;
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (!/^\d+$/.test(text) || seed > seedMax)
    throw new InvalidArgumentError(`It takes a whole number from 0 to ${seedMax}.`);
  return seed;
}

// EventStoreDB client 6.2.1 raises rejections nobody can catch when a node goes away (event-store.md §2.3); each call has
// its own error besides.
process.on('unhandledRejection', () => undefined);

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.held : exitCodes.usage;
    return;
  }
  process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = exitCodes.broken;
});
