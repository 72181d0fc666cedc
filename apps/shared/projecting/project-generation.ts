import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import { LogMismatch, type EventStore } from '../event-store/event-store';
import type { MailParser } from '../mail/mail-parser';
import { untilAvailable } from '../postgres/retry';
import { isTransient } from '../postgres/transient-error';
import { Lane } from './lane';
import { LaneLost, releaseLeases, renewLeases, takeFreeLanes, type LaneLease } from './lane-lease';
import type { ParkedEvent } from './parked-sequences';
import { readIntoLanes } from './reader';

export interface GenerationToProject {
  readonly store: EventStore;
  readonly tier: ProjectionTier;
  readonly parser: MailParser | null;
  /** Connections of role mailfold_projector. */
  readonly pool: Pool;
  readonly generation: number;
  readonly schema: string;
  /** Names this process in the leases. */
  readonly owner: string;
  readonly batchSizeMax?: number;
  readonly signal: AbortSignal;
  readonly onParked?: (parked: ParkedEvent) => void;
  /** Told of everything that interrupts the work; it goes on by itself, except after {@link LogMismatch}. */
  readonly onTrouble?: (error: unknown) => void;
  readonly onCaughtUp?: () => void;
  readonly onEvent?: (position: bigint) => void;
  /** Ends the work once everything up to this position is committed. */
  readonly until?: bigint;
}

const renewalIntervalMs = 1_000;
const standbyIntervalMs = 250;

/**
 * Keeps a generation at the end of the log until aborted: takes the lanes that are free, feeds them, stands by while other
 * processes hold them, and begins again at the checkpoints after whatever interrupted it.
 * Throws {@link LogMismatch} alone, since nothing this process does can cure it.
 */
export async function projectGeneration(options: GenerationToProject): Promise<void> {
  const { pool, schema, owner, signal } = options;
  while (!signal.aborted) {
    try {
      const leases = await untilAvailable(() => takeFreeLanes(pool, schema, owner), { signal });
      if (leases.length === 0) await pause(standbyIntervalMs, signal);
      else if (await runLanes(options, leases)) return;
    } catch (error) {
      if (signal.aborted) return;
      options.onTrouble?.(error);
      if (error instanceof LogMismatch) throw error;
      await pause(standbyIntervalMs, signal);
    }
  }
}

/** Resolves to whether `until` was reached; to false when there are other lanes to take as well. */
async function runLanes(options: GenerationToProject, leases: readonly LaneLease[]): Promise<boolean> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const lanes = leases.map((lease) => ({ coverage: lease.coverage, lane: laneOf(options, lease, signal) }));
  const { store, tier, parser, until, onEvent, onCaughtUp } = options;
  const reading = readIntoLanes({
    ...{ store, tier, parser, lanes, signal },
    ...(until === undefined ? {} : { until }),
    ...(onEvent ? { onEvent } : {}),
    ...(onCaughtUp ? { onCaughtUp } : {}),
  });
  const keeping = keepLeases(options, leases, lanes, signal);
  try {
    // Whichever ends first ends the other; both are awaited, so that no transaction outlives its lease.
    const first = await Promise.race([
      reading.then(() => 'read' as const),
      keeping.then(() => 'more' as const),
    ]);
    return first === 'read' && !signal.aborted;
  } finally {
    stop.abort();
    await Promise.allSettled([reading, keeping, ...lanes.map(({ lane }) => lane.settled())]);
    await releaseLeases(options.pool, options.schema, leases).catch(() => undefined);
  }
}

function laneOf(options: GenerationToProject, lease: LaneLease, signal: AbortSignal): Lane {
  const { pool, tier, generation, schema, batchSizeMax, onParked, onTrouble } = options;
  return new Lane({
    ...{ pool, tier: tier.tier, generation, schema, lease, signal },
    ...(batchSizeMax === undefined ? {} : { batchSizeMax }),
    ...(onParked ? { onParked } : {}),
    ...(onTrouble ? { onRetry: onTrouble } : {}),
  });
}

/** Resolves when lanes of others became free, and on abort; throws {@link LaneLost}, or what stopped a lane. */
async function keepLeases(
  { pool, schema, onTrouble }: GenerationToProject,
  leases: readonly LaneLease[],
  lanes: readonly { lane: Lane }[],
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await pause(renewalIntervalMs, signal);
    if (signal.aborted) return;
    for (const { lane } of lanes) lane.throwIfStopped();
    try {
      const { othersAreFree } = await renewLeases(pool, schema, leases);
      if (othersAreFree) return;
    } catch (error) {
      if (error instanceof LaneLost || !isTransient(error)) throw error;
      onTrouble?.(error);
    }
  }
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await delay(durationMs, undefined, { signal }).catch(() => undefined);
}
