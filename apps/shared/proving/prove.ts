import { randomInt } from 'node:crypto';
import type { Pool } from 'pg';
import type { ExpectedDifference } from '../../../projections/expected-difference';
import type { Tier } from '../../../projections/projection';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import type { EventStore } from '../event-store/event-store';
import type { Coverage } from '../generations/coverage';
import { listGenerations, type DatabaseUrls } from '../generations/generations';
import { readPlacement } from '../generations/placement';
import { totalOf, type Census } from '../log-ledger/census';
import { digestToHex } from '../log-ledger/id-digest';
import { censusRecord } from '../log-ledger/ledger-rows';
import { LogLedger } from '../log-ledger/log-ledger';
import { canonicalJson } from './canonical-json';
import type { PartsByTier } from './balances';
import {
  sha256Of,
  signed,
  type Certificate,
  type CertificateFile,
  type GateResult,
  type SideRecord,
  type TableRecord,
} from './certificate';
import { compareRows } from './compare-rows';
import { ledgerCensus, provesCompleteness } from './completeness';
import { consultOracle } from './consult-oracle';
import { laneCountsOf, type LaneCount } from './lane-counts';
import { Moment } from './moment';
import { balancesOf, provesInvariants } from './invariants';
import type { HashName } from './row-text';
import { newlyParked, parkedPart } from './parked-events';
import {
  provesShadowReads,
  shadowReadsNotRun,
  type ShadowReadsInput,
  type ShadowReadsOptions,
} from './shadow-reads';
import { partsOfSide, spansAllSlots, type Side, type SidePart } from './side';
import type { SnapshotPart } from './snapshot-part';
import { ProvedDatabases } from './snapshots';

export interface ProveOptions {
  readonly tier: ProjectionTier;
  /** Owner of the control database. */
  readonly control: Pool;
  /** Of all tiers (tierDatabaseUrls); the login role owns the schemas. */
  readonly urls: DatabaseUrls;
  readonly store: EventStore;
  /** 32 bytes: what the certificate is signed under comes from it. */
  readonly rootKey: Uint8Array;
  /** Of this build. */
  readonly codeVersion: string;
  /** What is known to be right, mostly what serves. */
  readonly left: Side;
  /** What is to be proved. */
  readonly right: Side;
  /** What of the tier is proved; both sides hold all of it. They do not overlap. */
  readonly coverages: readonly Coverage[];
  readonly run?: number;
  /** Besides those that the tier declares. */
  readonly expectedDifferences?: readonly ExpectedDifference[];
  /** How many random streams the oracle folds (default 64), and the seed that picks them (default: another one each time). */
  readonly oracle?: { readonly streams?: number; readonly seed?: number };
  /** Without it the gate of shadow reads is not run, and the cut-over has to be told so. */
  readonly shadowReads?: ShadowReadsOptions;
  /** Tables that are read at the same time, per database; default 2. */
  readonly readers?: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ProofProgress) => void;
}

export interface ProofProgress {
  readonly phase: 'barrier' | 'completeness' | 'rows' | 'oracle' | 'shadow-reads' | 'invariants';
  /** Of the phase. */
  readonly done: number;
  readonly total: number;
}

/** The proof cannot be made: a side is not kept up to date, or its lanes did not come to one position. */
export class NotProvable extends Error {
  override readonly name = 'NotProvable';
}

/**
 * Compares two sides of a tier at one position of the log, while reads and writes go on, and certifies what came of it:
 * a gate that does not hold is a finding in the certificate, never an error. Slots add up over the targets of a side, so
 * one target may be compared with many. Holds the lanes for milliseconds only (rebuild.md §4b).
 * Throws {@link NotProvable}, NotHeld (side.ts), BehindLedger, and what databases and log throw.
 */
export async function prove(options: ProveOptions): Promise<CertificateFile> {
  const databases = new ProvedDatabases(options.urls, options.readers ?? 2);
  try {
    return await proveIn(databases, options);
  } finally {
    await databases.close();
  }
}

async function proveIn(databases: ProvedDatabases, options: ProveOptions): Promise<CertificateFile> {
  const { tier, control, coverages, signal, store, onProgress } = options;
  const plan = await planOf(options);
  onProgress?.({ phase: 'barrier', done: 0, total: 1 });
  const stand = await comeToStand(databases, plan, signal);
  const { position } = stand.moment;
  const hash = stand.moment.isHashedAlike ? 'hashtextextended' : 'md5';
  const expectedDifferences = [...(tier.expectedDifferences ?? []), ...(options.expectedDifferences ?? [])];
  let tablesDone = 0;
  // The ledger writes once a second; meanwhile rows are compared.
  const [{ census, completeness }, compared] = await Promise.all([
    countedBy(new LogLedger(control, store), stand, options),
    compareRows({
      ...{ tier, left: stand.left, right: stand.right, hash, expectedDifferences, signal },
      onTable: () => onProgress?.({ phase: 'rows', done: (tablesDone += 1), total: tablesOf(tier).length }),
    }),
  ]);
  onProgress?.({ phase: 'oracle', done: 0, total: 1 });
  const seed = options.oracle?.seed ?? randomInt(2 ** 31);
  const oracle = await consultOracle({
    ...{ tier, control, store, position, coverages, expectedDifferences, signal },
    ...{ left: stand.left, right: stand.right, logEvents: totalOf(census).events },
    streams: options.oracle?.streams ?? 64,
    seed,
  });
  onProgress?.({ phase: 'shadow-reads', done: 0, total: 1 });
  const shadowReads = await shadowGate(options, {
    ...{ position, seed, rightParts: stand.right },
    isDifferenceExpected: expectedDifferences.length > 0,
  });
  onProgress?.({ phase: 'invariants', done: 0, total: 1 });
  const invariants = await provesInvariants({
    ...{ tier, parts: stand.byTier, hash, position, store, signal },
    spansAllSlots: spansAllSlots(coverages),
    later: () => comeToStand(databases, plan, signal),
  });
  const gates: GateResult[] = [completeness, ...compared.gates, oracle, shadowReads, invariants];
  const { tables, slots } = compared;
  return { ...certificateOf(options, plan, { moment: stand.moment, census, hash, tables, gates }), slots };
}

async function countedBy(
  ledger: LogLedger,
  { moment: { position }, left, right, lanes }: Stand,
  { store, coverages, signal, onProgress }: ProveOptions,
): Promise<{ census: Census; completeness: GateResult }> {
  onProgress?.({ phase: 'completeness', done: 0, total: 1 });
  const census = await ledgerCensus(ledger, position, signal);
  const completeness = await provesCompleteness(
    {
      ...{ ledger, store, coverages, position, sides: lanes, signal },
      newlyParked: await newlyParked(left.map(parkedPart), right.map(parkedPart)),
    },
    census,
  );
  return { census, completeness };
}

/** Which targets a proof reads, before it reads them. */
interface Plan {
  readonly left: readonly SidePart[];
  readonly right: readonly SidePart[];
  /** What serves of the tiers that have figures in common with the one to be proved. */
  readonly beside: ReadonlyMap<Tier, readonly SidePart[]>;
}

async function planOf({ tier, control, coverages, left, right }: ProveOptions): Promise<Plan> {
  const partsOf = async (name: Tier, side: Side): Promise<SidePart[]> => {
    const placement = await readPlacement(control, name);
    const parts = coverages.flatMap((coverage) => partsOfSide(placement, side, coverage));
    await refuseUnkept(control, name, parts);
    return parts;
  };
  const beside = new Map<Tier, readonly SidePart[]>();
  const others = balancesOf(tier).flatMap((balance) => [balance.left.tier, balance.right.tier]);
  if (spansAllSlots(coverages))
    for (const other of new Set(others))
      if (other !== tier.tier) beside.set(other, await partsOf(other, 'serving'));
  return { left: await partsOf(tier.tier, left), right: await partsOf(tier.tier, right), beside };
}

/** All that a proof reads, at one position. */
interface Stand {
  readonly moment: Moment;
  readonly left: readonly SnapshotPart[];
  readonly right: readonly SnapshotPart[];
  readonly byTier: PartsByTier;
  readonly lanes: readonly { readonly name: string; readonly lanes: readonly LaneCount[] }[];
}

const standTriesMax = 5;

/** A hold ends by itself, lest a dead prover stop the projectors: the snapshots tell whether it lasted. */
async function comeToStand(databases: ProvedDatabases, plan: Plan, signal: AbortSignal): Promise<Stand> {
  const beside = [...plan.beside.values()].flat();
  const targets = [...plan.left, ...plan.right, ...beside].map(({ target }) => target);
  for (let tries = 1; ; tries++) {
    const moment = await Moment.take(databases, targets, signal);
    const snapshotsOf = (parts: readonly SidePart[]) => parts.map((part) => moment.at(part));
    const [left, right] = [snapshotsOf(plan.left), snapshotsOf(plan.right)];
    const besides = [...plan.beside].map(([tier, parts]) => [tier as string, snapshotsOf(parts)] as const);
    const tier = plan.right[0]?.target.tier ?? '';
    const byTier = new Map([...besides, [tier, right] as const]);
    const lanes = [
      { name: 'left', lanes: await laneCountsOf(left) },
      { name: 'right', lanes: await laneCountsOf(right) },
      ...(await Promise.all(
        besides.map(async ([name, parts]) => ({ name, lanes: await laneCountsOf(parts) })),
      )),
    ];
    const straggler = stragglerOf(lanes, moment.position);
    if (straggler === null) return { moment, left, right, byTier, lanes: lanes.slice(0, 2) };
    await moment.end();
    if (tries === standTriesMax) throw new NotProvable(straggler);
  }
}

async function shadowGate(
  { tier, left, right, signal, shadowReads }: ProveOptions,
  at: Pick<ShadowReadsInput, 'position' | 'seed' | 'rightParts' | 'isDifferenceExpected'>,
): Promise<GateResult> {
  if (left === 'by-slots' || right === 'by-slots')
    return shadowReadsNotRun(
      'the query API reads a tenant that is pinned where it is pinned, and nowhere else',
    );
  if (shadowReads === undefined)
    return shadowReadsNotRun('no query API was named (QUERY_API_URL, MAILFOLD_ADMIN_KEY)');
  return provesShadowReads({ ...at, tier, left, right, signal }, shadowReads);
}

function certificateOf(
  { run, tier, coverages, codeVersion, rootKey }: ProveOptions,
  { left, right }: Plan,
  found: {
    readonly moment: Moment;
    readonly census: Census;
    readonly hash: HashName;
    readonly tables: readonly TableRecord[];
    readonly gates: readonly GateResult[];
  },
): Certificate {
  const { moment, census, hash, tables, gates } = found;
  const counted = totalOf(census);
  return signed(
    {
      ...{ format: 1, run: run ?? null, tier: tier.tier, coverages },
      ...{ left: recordOf(left), right: recordOf(right), position: moment.position.toString() },
      ...{ provedAt: new Date().toISOString(), codeVersion, hashedWith: hash, heldMs: moment.heldMs },
      ledger: {
        events: counted.events,
        idDigest: digestToHex(counted.digest),
        sha256: sha256Of(canonicalJson(censusRecord(census))),
      },
      ...{ tables, gates, holds: gates.every(({ holds }) => holds !== false) },
    },
    rootKey,
  );
}

/** The barrier waits for lanes that move. */
async function refuseUnkept(control: Pool, tier: Tier, parts: readonly SidePart[]): Promise<void> {
  const states = new Map(
    (await listGenerations(control, tier)).map(({ generation, state }) => [generation, state]),
  );
  for (const { target } of parts)
    if (states.get(target.generation) !== 'tailing')
      throw new NotProvable(
        `generation ${target.generation} of ${tier} is ${states.get(target.generation) ?? 'unknown'}: only those that are tailing can be compared`,
      );
}

function stragglerOf(
  sides: readonly { name: string; lanes: readonly LaneCount[] }[],
  position: bigint,
): string | null {
  for (const { name, lanes } of sides)
    for (const { lane, target, position: stands } of lanes)
      if ((stands ?? 0n) !== position)
        return `${name}: lane ${lane} of ${target.schema} stands at ${stands ?? 'the start'}, not at ${position}`;
  return null;
}

function recordOf(parts: readonly SidePart[]): SideRecord {
  return {
    generations: [...new Set(parts.map(({ target }) => target.generation))].sort((one, other) => one - other),
    targets: parts.map(({ target: { generation, shard, databaseRef, schema }, coverage }) => ({
      ...{ generation, shard, databaseRef, schema, coverage },
    })),
  };
}
