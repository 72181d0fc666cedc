import type { RowOperation } from '../../../../projections/projection';
import { projectionTier } from '../../../../projections/tiers';
import type { ProjectionTier } from '../../../../projections/tier';
import { covers, type Coverage } from '../../generations/coverage';
import { operationsOf, type ReadableEvent } from '../../projecting/fold-event';
import type { Sequence } from '../../projecting/lane-event';
import type { Poison, RowToCopy } from '../contracts';
import { rowOf } from './written-once';

/** What one event means to a tier before any row is known. */
export interface TierMeaning {
  readonly poison: string | null;
  /** Whether it changes rows of the tier at all, whoever holds them. */
  readonly changesRows: boolean;
  /** Rows that nothing will change any more, with where they go. */
  readonly writtenOnce: readonly { readonly operation: RowOperation; readonly row: RowToCopy }[];
  /** Slots of the rows that are folded later. */
  readonly slots: readonly number[];
}

/** What holds a part of a tier. */
interface Covering {
  readonly coverage: Coverage;
}

/** One tier of the run as a reader sees it. */
export class TierScan {
  readonly definition: ProjectionTier;

  constructor(
    /** Its place in the run. */
    readonly index: number,
    tier: ProjectionTier['tier'],
    private readonly targets: readonly Covering[],
  ) {
    const definition = projectionTier(tier);
    if (definition === undefined) throw new Error(`${tier} is no tier with projections`);
    this.definition = definition;
  }

  /**
   * A fold that throws, for an event or for a row that is written once, is poison, as it is to a lane.
   * @param sequence of the event.
   */
  meaningOf(event: ReadableEvent, sequence: Sequence): TierMeaning {
    const { operations, poison } = operationsOf(this.definition, event);
    if (poison !== null) return { ...nothing, poison };
    if (operations.length === 0) return nothing;
    const writtenOnce: { operation: RowOperation; row: RowToCopy }[] = [];
    const slots: number[] = [];
    try {
      for (const operation of operations) {
        // As row-level security has it for lanes: an event writes rows of the tenant of its stream.
        if (operation.tenantId !== sequence.tenantId)
          throw new Error('it reaches for a row of another tenant');
        if (!this.targets.some(({ coverage }) => covers(coverage, operation))) continue;
        if (operation.table.isWrittenOnce !== true) {
          slots.push(operation.slot);
          continue;
        }
        const row = rowOf(operation, event.position);
        if (row !== null) writtenOnce.push({ operation, row });
      }
    } catch (error) {
      return { ...nothing, poison: error instanceof Error ? error.message : String(error) };
    }
    return { poison: null, changesRows: true, writtenOnce, slots };
  }

  poisonOf({ id, type, streamName, position }: ReadableEvent, reason: string): Poison {
    const { tier } = this.definition;
    return { tier, eventId: id, eventType: type, streamName, position, reason };
  }
}

const nothing: TierMeaning = {
  poison: null,
  changesRows: false,
  writtenOnce: [],
  slots: [],
};
