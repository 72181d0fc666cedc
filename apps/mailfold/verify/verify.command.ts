import {
  generationNamed,
  listGenerations,
  soleLiveGeneration,
  soleTargetOf,
} from '../../shared/generations/generations';
import { CommandFailure, exitCodes, type CommandContext } from '../command-run';
import { controlUrl, openPool, tierNamed, tierUrl } from '../connections';
import {
  compareAtOnePosition,
  comparisonRecord,
  differencesOf,
  printComparison,
} from './compare-at-one-position';

export interface VerifyOptions {
  /** Two numbers; without it the one that serves and the latest other one. */
  readonly generations?: readonly [number, number];
}

/** `mailfold verify`: 0 when the rows of two generations are equal at one position of the log, else 1. */
export async function verifyCommand(
  tierName: string,
  options: VerifyOptions,
  context: CommandContext,
): Promise<number> {
  const { output, signal } = context;
  const tier = tierNamed(tierName);
  const controlPool = openPool(context, controlUrl());
  const pool = openPool(context, tierUrl(tier.tier), 'mailfold_auditor');
  const [first, second] = options.generations ?? (await servingAndOther());
  const digested = async (generation: number) => {
    const known = await generationNamed(controlPool, tier.tier, generation);
    const { schema } = soleTargetOf(known);
    if (known.state === 'retired')
      throw new CommandFailure(`generation ${generation} of ${tier.tier} is retired`);
    return { generation, pool, schema };
  };
  const compared = { left: await digested(first), right: await digested(second) };
  const comparison = await compareAtOnePosition(tier, compared, signal);
  const differences = await differencesOf(tier, compared, comparison);
  output.record({ tier: tier.tier, ...comparisonRecord(compared, comparison, differences) });
  printComparison(output, compared, comparison, differences);
  output.line(comparison.isEqual ? 'Equal.' : 'They differ.');
  return comparison.isEqual ? exitCodes.done : exitCodes.failed;

  async function servingAndOther(): Promise<readonly [number, number]> {
    const live = await soleLiveGeneration(controlPool, tier.tier);
    const others = (await listGenerations(controlPool, tier.tier)).filter(
      ({ generation, state }) => state === 'tailing' && generation !== live.generation,
    );
    const other = others.at(-1);
    if (!other)
      throw new CommandFailure(
        `${tier.tier} has one generation only, ${live.generation}: nothing to compare it with until a rebuild`,
      );
    return [live.generation, other.generation];
  }
}
