import { projectionTiers } from '../../../projections/tiers';
import { CommandFailure, exitCodes } from '../command-run';
import { asOfPosition } from './operations/as-of';
import type { RunSpecInput } from './run-spec';
import type { Workplace } from './workplace';

/** Options as the command line has them. */
export interface RebuildFlags {
  readonly all?: boolean;
  readonly tenant?: string;
  readonly conversation?: string;
  readonly asOf?: string;
  readonly ttl?: number;
  readonly slots?: { readonly from: number; readonly to: number };
  readonly rolling?: number;
  readonly databases?: string[];
  readonly collectPoison?: boolean;
}

export interface RepartitionFlags {
  readonly shards?: number;
  readonly databases?: string[];
  readonly tenant?: string;
  readonly to?: string;
  readonly back?: boolean;
  readonly historyPartitions?: 'week' | 'month';
  readonly source?: 'replay' | 'copy';
  readonly collectPoison?: boolean;
}

export interface ForceFlags {
  readonly withoutShadowReads?: boolean;
  readonly force?: boolean;
  readonly reason?: string;
}

export interface ExpectedFlags {
  /** A JSON file with what is meant to differ (projections/expected-difference.ts). */
  readonly expected?: string;
}

export interface FillFlags extends ForceFlags, ExpectedFlags {
  readonly plan?: number;
  readonly fresh?: boolean;
  readonly eventsPerSecond?: number;
  readonly governorP95Ms?: number;
  readonly verify?: boolean;
  readonly cutover?: boolean;
  readonly canary?: boolean;
  readonly retire?: boolean;
}

export interface CutOverFlags extends ForceFlags {
  readonly slots?: { readonly from: number; readonly to: number };
  readonly tenant?: string;
  readonly canary?: boolean;
  readonly canaryPauseMs?: number;
}

export async function rebuildSpecOf(
  workplace: Workplace,
  named: readonly string[],
  flags: RebuildFlags,
): Promise<RunSpecInput> {
  const { tenant, conversation, asOf, ttl = 24, slots, rolling, databases, collectPoison } = flags;
  return {
    kind: 'rebuild',
    tiers: flags.all === true ? projectionTiers.map(({ tier }) => tier) : [...named],
    poison: collectPoison === true ? 'collect' : 'stop',
    ...(tenant === undefined ? {} : { tenantId: tenant }),
    ...(conversation === undefined ? {} : { conversationId: conversation }),
    ...(slots === undefined ? {} : { slots }),
    ...(rolling === undefined ? {} : { rolling }),
    ...(databases === undefined ? {} : { databases }),
    ...(asOf === undefined
      ? {}
      : { asOf: { position: String(await asOfPosition(workplace, asOf)), ttlHours: ttl } }),
  };
}

export function repartitionSpecOf(tiers: readonly string[], flags: RepartitionFlags): RunSpecInput {
  const { shards, databases, tenant, to, back, historyPartitions, source, collectPoison } = flags;
  return {
    kind: 'repartition',
    tiers: [...tiers],
    poison: collectPoison === true ? 'collect' : 'stop',
    ...(shards === undefined ? {} : { shards }),
    ...(databases === undefined ? {} : { databases }),
    ...(tenant === undefined ? {} : { tenantId: tenant }),
    ...(to === undefined ? {} : { to }),
    ...(back === true ? { back } : {}),
    ...(historyPartitions === undefined ? {} : { historyPartitions }),
    ...(source === undefined ? {} : { source }),
  };
}

/** Throws a usage error for force without a reason. */
export function forceOf({ force, reason, withoutShadowReads = false }: ForceFlags): {
  force?: { reason: string };
  withoutShadowReads: boolean;
} {
  if (force !== true) return { withoutShadowReads };
  if (reason === undefined || reason.trim() === '')
    throw new CommandFailure('--force needs --reason "why", which goes into the journal', exitCodes.usage);
  return { withoutShadowReads, force: { reason } };
}
