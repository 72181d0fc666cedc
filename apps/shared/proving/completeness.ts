import { setTimeout as delay } from 'node:timers/promises';
import type { EventStore, LogRecord } from '../event-store/event-store';
import type { Coverage } from '../generations/coverage';
import { addDigests, digestOf, digestToHex, emptyDigest, type IdDigest } from '../log-ledger/id-digest';
import { BehindLedger, type LogLedger } from '../log-ledger/log-ledger';
import { totalOf, type Census } from '../log-ledger/census';
import type { GateResult } from './certificate';
import {
  isCovered,
  isSameCount,
  isWithin,
  meets,
  placeOf,
  sumOf,
  type LaneCount,
  type SeenEvents,
} from './lane-counts';
import { isWholeTier } from './side';

export interface CompletenessInput {
  readonly ledger: LogLedger;
  readonly store: Pick<EventStore, 'readRecords'>;
  readonly coverages: readonly Coverage[];
  readonly position: bigint;
  /** What the right has parked and the left has applied, a line each. */
  readonly newlyParked: readonly string[];
  readonly sides: readonly { readonly name: string; readonly lanes: readonly LaneCount[] }[];
  readonly signal: AbortSignal;
}

const ledgerWaitMs = 15_000;
const ledgerPollMs = 50;
const parkedListedMax = 20;

/** The ledger's count up to a position, once it has come there. Throws {@link BehindLedger} after 15 s. */
export async function ledgerCensus(
  ledger: LogLedger,
  position: bigint,
  signal: AbortSignal,
): Promise<Census> {
  for (const deadline = Date.now() + ledgerWaitMs; ; await delay(ledgerPollMs, undefined, { signal })) {
    try {
      return await ledger.censusOf(null, position);
    } catch (error) {
      if (!(error instanceof BehindLedger) || Date.now() > deadline) throw error;
    }
  }
}

/**
 * Gate 1: the lanes of each side have taken in every event once. Of a whole tier, the count of the live tail's ledger says
 * so at no cost, since it comes from another reading of the log. Of a part, and where the two differ, the log itself is
 * counted; then the lane is named, and the event where it is one that is missing or doubled. What a lane has parked it has
 * taken in and not applied, so the right must have parked nothing that the left has applied.
 */
export async function provesCompleteness(input: CompletenessInput, census: Census): Promise<GateResult> {
  const taken = await provesTaken(input, census);
  const { newlyParked } = input;
  if (newlyParked.length === 0) return taken;
  return {
    ...taken,
    holds: false,
    measured: { ...taken.measured, newlyParked: newlyParked.length },
    detail: [
      ...taken.detail,
      ...newlyParked
        .slice(0, parkedListedMax)
        .map((event) => `right: parked, and applied on the left: ${event}`),
    ],
  };
}

async function provesTaken(input: CompletenessInput, census: Census): Promise<GateResult> {
  const { coverages, sides } = input;
  const seen = sides.map(({ name, lanes }) => ({
    name,
    lanes: lanes.filter((lane) => meets(coverages, lane)),
  }));
  const unfitDetail = seen.flatMap(({ name, lanes }) => {
    const reason = whyNotCounted(coverages, lanes);
    return reason === null ? [] : [`${name}: not counted, since ${reason}`];
  });
  const provable = seen.filter(({ lanes }) => whyNotCounted(coverages, lanes) === null);
  if (provable.length === 0) return { gate: 'completeness', holds: null, measured: {}, detail: unfitDetail };
  const wanted = isWholeTier(coverages) ? offeredTo(census) : null;
  if (wanted !== null && provable.every(({ lanes }) => isSameCount(sumOf(lanes), wanted)))
    return {
      ...{ gate: 'completeness', holds: true },
      measured: measuredOf('ledger', wanted, provable),
      detail: unfitDetail,
    };
  const found = await countLog(input, provable);
  return {
    gate: 'completeness',
    holds: found.faults.length === 0,
    measured: measuredOf('log', found.wanted, provable),
    detail: [...unfitDetail, ...found.faults],
  };
}

/** Null: what the lanes have counted can be held against the log. */
function whyNotCounted(coverages: readonly Coverage[], lanes: readonly LaneCount[]): string | null {
  if (lanes.some(({ isSummed }) => !isSummed))
    return 'it took in events before lanes kept sums of them; what is filled from the log does';
  if (lanes.some((lane) => !isWithin(coverages, lane)))
    return 'a lane takes in more than what is proved here';
  return null;
}

/** What the ledger counts of all that lanes are offered: everything but chunks of content. */
function offeredTo(census: Census): SeenEvents {
  return totalOf(new Map([...census].filter(([name]) => !name.startsWith('MessageContentStored.'))));
}

function measuredOf(
  countedBy: 'ledger' | 'log',
  wanted: SeenEvents,
  sides: readonly { name: string; lanes: readonly LaneCount[] }[],
): Record<string, unknown> {
  const shown = ({ events, digest }: SeenEvents) => ({ events, idDigest: digestToHex(digest) });
  return {
    countedBy,
    wanted: shown(wanted),
    ...Object.fromEntries(sides.map(({ name, lanes }) => [name, shown(sumOf(lanes))])),
  };
}

interface CountedLane {
  readonly name: string;
  readonly lane: LaneCount;
  events: number;
  digest: IdDigest;
}

async function countLog(
  input: CompletenessInput,
  sides: readonly { name: string; lanes: readonly LaneCount[] }[],
): Promise<{ wanted: SeenEvents; faults: string[] }> {
  const lanes: CountedLane[] = sides.flatMap(({ name, lanes: ofSide }) =>
    ofSide.map((lane) => ({ name: laneName(name, lane), lane, events: 0, digest: emptyDigest })),
  );
  let wanted: SeenEvents = sumOf([]);
  for await (const record of recordsOf(input)) {
    const place = placeOf(record);
    if (place === null || !isCovered(input.coverages, place)) continue;
    const digest = digestOf(record.id);
    wanted = sumOf([wanted, { events: 1, digest }]);
    for (const counted of lanes)
      if (isCovered([counted.lane.coverage], place)) {
        counted.events += 1;
        counted.digest = addDigests(counted.digest, digest);
      }
  }
  // An aborted read ends early, and would look like events that are missing.
  input.signal.throwIfAborted();
  const wrong = lanes.filter((counted) => !isSameCount(counted, counted.lane));
  const named = wrong.length === 0 ? new Map<CountedLane, string>() : await nameEvents(input, wrong);
  const faults = wrong.map((counted) => faultOf(counted, named.get(counted)));
  for (const { name, lanes: ofSide } of sides)
    if (sumOf(ofSide).events === 0 && wanted.events > 0)
      faults.push(`${name}: no lane has taken in anything of what is proved here`);
  return { wanted, faults };
}

function faultOf({ name, lane, events }: CountedLane, event: string | undefined): string {
  const difference = lane.events - events;
  const figures = `it has taken in ${lane.events} events of the ${events} in the log`;
  if (event !== undefined) return `${name}: ${figures}; ${event}`;
  if (difference === 0) return `${name}: ${figures}, but not the same ones`;
  return `${name}: ${figures}; ${Math.abs(difference)} ${difference < 0 ? 'are missing' : 'too many'}`;
}

/** Where one event alone makes the difference, the difference of the digests is its hash. */
async function nameEvents(
  input: CompletenessInput,
  wrong: readonly CountedLane[],
): Promise<Map<CountedLane, string>> {
  const named = new Map<CountedLane, string>();
  for await (const record of recordsOf(input)) {
    const place = placeOf(record);
    if (place === null) continue;
    const digest = digestOf(record.id);
    for (const counted of wrong) {
      if (!isCovered([counted.lane.coverage], place) || named.has(counted)) continue;
      const what = `${record.type} ${record.id} at position ${record.position}`;
      if (isSameCount(sumOf([counted.lane, { events: 1, digest }]), counted))
        named.set(counted, `missing is ${what}`);
      if (isSameCount(sumOf([counted, { events: 1, digest }]), counted.lane))
        named.set(counted, `counted twice is ${what}`);
    }
    if (named.size === wrong.length) break;
  }
  return named;
}

function recordsOf({ store, position, signal }: CompletenessInput): AsyncIterable<LogRecord> {
  return store.readRecords({ after: null, upTo: position, withContent: false, signal });
}

function laneName(side: string, { lane, target }: LaneCount): string {
  return `${side}, lane ${lane} of generation ${target.generation} (${target.schema} in ${target.databaseRef})`;
}
