import type { Target } from '../generations/placement';
import { raiseBarrier } from '../projecting/barrier';
import type { SidePart } from './side';
import type { SnapshotPart } from './snapshot-part';
import type { ProvedDatabases, Snapshot } from './snapshots';

/** Targets as they were when all their lanes stood at one position of the log. */
export class Moment {
  private constructor(
    readonly position: bigint,
    /** How long any lane was held for it, at most. */
    readonly heldMs: number,
    private readonly snapshots: ReadonlyMap<string, Snapshot>,
    private readonly databases: ProvedDatabases,
  ) {}

  /**
   * Holds the lanes until all stand at one position, keeps that state readable in each database, and lets them go: they
   * are at work again while the proof still reads.
   */
  static async take(
    databases: ProvedDatabases,
    targets: readonly Target[],
    signal: AbortSignal,
  ): Promise<Moment> {
    const distinct = [
      ...new Map(targets.map((target) => [`${target.databaseRef} ${target.schema}`, target])).values(),
    ];
    const held = distinct.map(({ databaseRef, schema }) => ({ pool: databases.owner(databaseRef), schema }));
    const names = [...new Set(distinct.map(({ databaseRef }) => databaseRef))];
    const prepared = await Promise.all(names.map((name) => databases.prepared(name)));
    const snapshots = new Map(prepared.map((snapshot) => [snapshot.databaseRef, snapshot]));
    const since = performance.now();
    const barrier = await raiseBarrier(held, { signal });
    try {
      await Promise.all(prepared.map((snapshot) => snapshot.take()));
    } finally {
      await barrier.release();
    }
    return new Moment(barrier.position, Math.round(performance.now() - since), snapshots, databases);
  }

  /** Texts are hashed alike on all servers. */
  get isHashedAlike(): boolean {
    return new Set([...this.snapshots.values()].map(({ hashFamily }) => hashFamily)).size === 1;
  }

  /** Lets go of that state; whoever reads it has done so. */
  async end(): Promise<void> {
    await Promise.all([...this.snapshots.values()].map((snapshot) => this.databases.end(snapshot)));
  }

  at({ target, coverage }: SidePart): SnapshotPart {
    const snapshot = this.snapshots.get(target.databaseRef);
    if (snapshot === undefined) throw new Error(`${target.databaseRef} is not part of this moment`);
    return { snapshot, schema: target.schema, coverage, target };
  }
}
