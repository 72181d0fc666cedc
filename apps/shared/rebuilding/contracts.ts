import type { Tier } from '../../../projections/projection';
import type { Coverage, SlotRange } from '../generations/coverage';

// What the phases of a bulk load hand to each other. All of it is plain data: it crosses threads and lies in manifests.

/** A schema to be filled, with what it holds of its tier. Its lanes are rows of its table `checkpoints`. */
export interface TargetToLoad {
  readonly generation: number;
  readonly schema: string;
  /** Logs in as owner of the schema. */
  readonly databaseUrl: string;
  readonly coverage: Coverage;
}

/** A tier of the run with its shards. */
export interface TierToLoad {
  readonly tier: Tier;
  readonly targets: readonly TargetToLoad[];
}

/** Where the log is, and the keys to read what it holds sealed. */
export interface LogToRead {
  readonly eventStoreUrl: string;
  readonly keysDatabaseUrl: string;
  /** 32 bytes. */
  readonly rootKey: Uint8Array;
  /**
   * The control database, where the log ledger lies: it says where ranges may be cut, and proves that none was read
   * incompletely. Without it ranges are cut by position, which only a log with dense positions (our own node's) allows.
   */
  readonly controlDatabaseUrl?: string;
}

/** Part of the log only: a tenant's streams, or those of one entity of that tenant. */
export interface LogScope {
  readonly tenantId: string;
  readonly entityId?: string;
}

export interface BulkLoadOptions {
  readonly log: LogToRead;
  readonly tiers: readonly TierToLoad[];
  /** Inclusive: the head of the log as the run began, or the as-of position. */
  readonly fence: bigint;
  readonly only?: LogScope;
  /** Made if it is missing, ours alone, removed at the end. What lies in it of the same run is used again. */
  readonly spoolFolder: string;
  /** Threads; by default as many as there are cores, at most 4. */
  readonly parallelism?: { readonly readers?: number; readonly folders?: number };
  /** Bound of the rows held while folding, over all threads; default 64 MiB. */
  readonly memoryMaxBytes?: number;
  /** `stop`: a {@link PoisonStop} at the first event that nobody can apply. `collect`: park it as a lane does, and go on. */
  readonly poison: 'stop' | 'collect';
  /** Awaited between batches: to throttle or to pause. */
  readonly pace?: () => Promise<void>;
  readonly signal: AbortSignal;
  /** At most ten times a second. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

export interface LoadProgress {
  readonly phase: 'prepare' | 'scan' | 'load' | 'index';
  readonly done: number;
  readonly total: number;
  readonly what: 'events' | 'buckets' | 'tables' | 'indexes';
  /** Of the phase, so far. */
  readonly events: number;
  readonly bytes: number;
}

export interface LoadOutcome {
  /** False: aborted on the way. The same call goes on. */
  readonly isComplete: boolean;
  /** Read from the log. */
  readonly events: number;
  /** By `tier.table`, over all targets. */
  readonly rows: Readonly<Record<string, number>>;
  readonly parkedEvents: number;
  /** Where every lane stands now; null for a log without an event. */
  readonly checkpoint: { readonly position: bigint; readonly eventId: string } | null;
}

/** Slots that one unit of the load phase folds; it never crosses the border of a target. */
export interface Bucket {
  readonly index: number;
  readonly slots: SlotRange;
}

/** Where the files of the spool lie, and the key their blocks are sealed with. */
export interface SpoolPlace {
  readonly folder: string;
  /** 32 bytes, made for the run. */
  readonly key: Uint8Array;
}

/**
 * A sequence that poison has stopped in a tier: no event of it at or behind `position` has an effect in any table of the
 * tier, whichever slot its rows lie in.
 */
export interface StoppedSequence {
  readonly tenantId: string;
  readonly sequenceId: string;
  readonly position: bigint;
}

/** An event that was not applied: a row of `parked_sequences` of the target that covers its sequence. */
export interface EventToPark {
  readonly tenantId: string;
  readonly slot: number;
  readonly sequenceId: string;
  readonly position: bigint;
  readonly eventId: string;
  readonly eventType: string;
  readonly reason: string;
}

/** A row as COPY takes it, with what a lane would have stamped on it. */
export interface RowToCopy {
  readonly tenantId: string;
  readonly slot: number;
  /** Of the last event that changed it. */
  readonly position: bigint;
  readonly row: object;
}

/** How many events a lane of this coverage would have taken in, and the sum of their ids' digests (checkpoints.events). */
export interface LaneTally {
  readonly coverage: Coverage;
  readonly events: number;
  readonly digest: { readonly hi: bigint; readonly lo: bigint };
}

/** An event that nobody can apply, by name. */
export interface Poison {
  readonly tier: Tier;
  readonly eventId: string;
  readonly eventType: string;
  readonly streamName: string;
  readonly position: bigint;
  readonly reason: string;
}

/** Poison where none is accepted, or one that a fold found in the state of its row. */
export class PoisonStop extends Error {
  override readonly name = 'PoisonStop';

  constructor(readonly poison: Poison) {
    const { tier, eventId, eventType, streamName, position, reason } = poison;
    super(`${tier} cannot apply ${eventType} ${eventId} of ${streamName} at position ${position}: ${reason}`);
  }
}

/** What was read differs from what the log ledger or another part of the run says was there. */
export class LogDisagrees extends Error {
  override readonly name = 'LogDisagrees';
}
