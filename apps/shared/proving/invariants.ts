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
  signal.throwIfAborted();
  const ofParts = await Promise.all(
    (parts.get(tier.tier) ?? []).map(async (part) => [
      ...(await checkTables(tier, part, input.position)),
      ...(await rowViolations(tier, part)),
    ]),
  );
  signal.throwIfAborted();
  const exceptTenants = await tenantsParked([...parts.values()].flat());
  const balances = input.spansAllSlots ? balancesOf(tier) : [];
  const violations = [...ofParts.flat(), ...(await imbalancesThatStay(balances, input, exceptTenants))];
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
  const found = await Promise.all(
    (tier.rowInvariants ?? []).map(async ({ name, violations }): Promise<Violation[]> => {
      const { rows } = await part.snapshot.read((client) =>
        client.query<{ key: string; count: string }>(
          `select key, count(*) over () as count from (${sqlFor(tier, part, violations)}) v order by key limit ${keysListedMax}`,
        ),
      );
      if (rows.length === 0) return [];
      const keys = rows.map(({ key }) => key);
      return [{ invariant: `${name} (${part.schema})`, keys, count: Number(rows[0]?.count ?? 0) }];
    }),
  );
  return found.flat();
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
async function imbalancesThatStay(
  balances: readonly Balance[],
  input: InvariantsInput,
  exceptTenants: readonly string[],
): Promise<Violation[]> {
  let suspects = await outOfBalance(balances, input, input.parts, exceptTenants);
  for (let tries = 1; suspects.size > 0 && tries < triesMax; tries++) {
    input.signal.throwIfAborted();
    const { byTier, moment } = await input.later();
    const again = await outOfBalance([...suspects.keys()], input, byTier, exceptTenants).finally(() =>
      moment.end(),
    );
    suspects = new Map(
      [...suspects]
        .map(([balance, found]) => [balance, stillOut(found, again.get(balance) ?? [])] as const)
        .filter(([, found]) => found.length > 0),
    );
  }
  const found: Violation[] = [];
  for (const [balance, imbalances] of suspects) {
    const unexplained = await withoutMissingContent(balance, imbalances, input);
    if (unexplained.length > 0) found.push(violationOf(balance, unexplained));
  }
  return found;
}

/** Without those that are in balance. */
async function outOfBalance(
  balances: readonly Balance[],
  { hash }: InvariantsInput,
  parts: PartsByTier,
  exceptTenants: readonly string[],
): Promise<Map<Balance, readonly Imbalance[]>> {
  const looks = balances.map(
    async (balance) =>
      [balance, await imbalances(balance, { parts, hash, exceptTenants } satisfies BalanceInput)] as const,
  );
  return new Map((await Promise.all(looks)).filter(([, found]) => found.length > 0));
}

function stillOut(found: readonly Imbalance[], again: readonly Imbalance[]): readonly Imbalance[] {
  const keys = new Set(again.map(({ key }) => key));
  return found.filter(({ key }) => keys.has(key));
}

function violationOf({ name }: Balance, unexplained: readonly Imbalance[]): Violation {
  const keys = unexplained
    .slice(0, keysListedMax)
    .map(({ key, left, right }) => `${key} (${left} and ${right})`)
    .sort();
  return { invariant: name, keys, count: unexplained.length };
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
