import type { Balance } from '../../../projections/invariant';
import { balancesAcrossTiers } from '../../../projections/invariants-across-tiers';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore } from '../event-store/event-store';
import { imbalances, type BalanceInput, type Imbalance, type PartsByTier } from './balances';
import type { GateResult } from './certificate';
import { checkTables, keysListedMax, type Violation } from './check-tables';
import { isContentInLog } from './content-in-log';
import { parkedTable, sqlFor } from './part-sql';
import type { HashName } from './row-text';
import type { SnapshotPart } from './snapshot-part';

export interface InvariantsInput {
  readonly tier: ProjectionTier;
  /** The side to be proved, and of the other tiers what serves. */
  readonly parts: PartsByTier;
  readonly hash: HashName;
  readonly position: bigint;
  /** Figures are complete only where all slots are looked at. */
  readonly spansAllSlots: boolean;
  readonly store: Pick<EventStore, 'readStream'>;
  readonly signal: AbortSignal;
  /** The same parts at a later position. */
  readonly later: () => Promise<{ readonly byTier: PartsByTier; readonly moment: { end(): Promise<void> } }>;
}

/** Between two looks at what seemed out of balance. */
const triesMax = 3;
/** Messages whose bytes are looked for in the log, one by one. */
const messagesLookedForMax = 5_000;

/** The balances that a proof of the tier takes part in. */
export function balancesOf(tier: ProjectionTier): Balance[] {
  const isInvolved = ({ left, right }: Balance) => left.tier === tier.tier || right.tier === tier.tier;
  return [...(tier.balances ?? []), ...balancesAcrossTiers.filter(isInvolved)];
}

/** Gate 6: rows do not contradict each other, be it in one target, over several or across tiers, at the one position. */
export async function provesInvariants(input: InvariantsInput): Promise<GateResult> {
  const { tier, parts, signal } = input;
  const violations: Violation[] = [];
  for (const part of parts.get(tier.tier) ?? []) {
    signal.throwIfAborted();
    violations.push(...(await checkTables(tier, part, input.position)), ...(await rowViolations(tier, part)));
  }
  const exceptTenants = await tenantsParked([...parts.values()].flat());
  const balances = input.spansAllSlots ? balancesOf(tier) : [];
  for (const balance of balances) {
    signal.throwIfAborted();
    const violation = await imbalanceThatStays(balance, input, exceptTenants);
    if (violation !== null) violations.push(violation);
  }
  return {
    gate: 'invariants',
    holds: violations.length === 0,
    measured: {
      rowInvariants: tier.rowInvariants?.length ?? 0,
      balances: balances.length,
      tenantsLeftOut: exceptTenants.length,
      violations: violations.reduce((sum, { count }) => sum + count, 0),
    },
    detail: [
      ...violations.flatMap(linesOf),
      ...(input.spansAllSlots ? [] : ['balances were not looked at: they take all slots']),
      ...(exceptTenants.length === 0
        ? []
        : [`balances leave out ${exceptTenants.length} tenants of which something is parked`]),
    ],
  };
}

async function rowViolations(tier: ProjectionTier, part: SnapshotPart): Promise<Violation[]> {
  const found: Violation[] = [];
  for (const { name, violations } of tier.rowInvariants ?? []) {
    const { rows } = await part.snapshot.read((client) =>
      client.query<{ key: string; count: string }>(
        `select key, count(*) over () as count from (${sqlFor(tier, part, violations)}) v order by key limit ${keysListedMax}`,
      ),
    );
    if (rows.length > 0)
      found.push({
        invariant: `${name} (${part.schema})`,
        keys: rows.map(({ key }) => key),
        count: Number(rows[0]?.count ?? 0),
      });
  }
  return found;
}

async function tenantsParked(parts: readonly SnapshotPart[]): Promise<string[]> {
  const found = new Set<string>();
  for (const part of parts) {
    const { rows } = await part.snapshot.read((client) =>
      client.query<{ tenant_id: string }>(`select distinct tenant_id from ${parkedTable(part)}`),
    );
    for (const { tenant_id: tenantId } of rows) found.add(tenantId);
  }
  return [...found].sort();
}

/**
 * A message that moves is attached to one conversation before it is detached from the other, in two streams; between the
 * two the figures of both are honest and do not agree. So a key counts only if it is out of balance at later positions too.
 */
async function imbalanceThatStays(
  balance: Balance,
  input: InvariantsInput,
  exceptTenants: readonly string[],
): Promise<Violation | null> {
  const look = async (parts: PartsByTier): Promise<Map<string, Imbalance>> => {
    const found = await imbalances(balance, {
      parts,
      hash: input.hash,
      exceptTenants,
    } satisfies BalanceInput);
    return new Map(found.map((imbalance) => [imbalance.key, imbalance]));
  };
  let found = await look(input.parts);
  for (let tries = 1; found.size > 0 && tries < triesMax; tries++) {
    const { byTier, moment } = await input.later();
    const again = await look(byTier).finally(() => moment.end());
    found = new Map([...found].filter(([key]) => again.has(key)));
  }
  const unexplained = await withoutMissingContent(balance, [...found.values()], input);
  if (unexplained.length === 0) return null;
  const keys = unexplained
    .slice(0, keysListedMax)
    .map(({ key, left, right }) => `${key} (${left} and ${right})`)
    .sort();
  return { invariant: balance.name, keys, count: unexplained.length };
}

async function withoutMissingContent(
  balance: Balance,
  found: readonly Imbalance[],
  { store, signal }: InvariantsInput,
): Promise<Imbalance[]> {
  if (balance.leftMayLackContent !== true) return [...found];
  const unexplained: Imbalance[] = [];
  for (const [index, imbalance] of found.entries()) {
    signal.throwIfAborted();
    const [tenantId = '', messageId = ''] = imbalance.key.split(' ');
    const isExplained =
      imbalance.right === 0n &&
      index < messagesLookedForMax &&
      !(await isContentInLog(store, tenantId, messageId));
    if (!isExplained) unexplained.push(imbalance);
  }
  return unexplained;
}

function linesOf({ invariant, keys, count }: Violation): string[] {
  const listed = count > keys.length ? `, the first ${keys.length} of them` : '';
  return [
    `it does not hold that ${invariant}: ${count} exceptions${listed}:`,
    ...keys.map((key) => `  ${key}`),
  ];
}
