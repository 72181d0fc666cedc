import type { Row, RowContext } from '../harness/row';
import type { RebuildResult } from '../load/rebuild-load';
import { copySide } from '../parts/copy-side';
import { naiveSide } from '../parts/naive-side';
import { openRebuildBed, type RebuildBed } from '../parts/rebuild-bed';
import { rebuildSide } from '../parts/rebuild-side';
import { sourceSide } from '../parts/source-side';

/** Long enough that it is not the start of the processes that decides; the live lanes make the reference of the first. */
const eventsByDefault = { full: 100_000, long: 400_000, quick: 5_000 } as const;
const whole = 'events/s of a rebuild of all tiers from the log, with indexes and switch';

/** A log of the length that was asked for. */
function openBed(context: RowContext, byDefault: 'full' | 'long' = 'full'): Promise<RebuildBed> {
  const events = context.events ?? eventsByDefault[context.quick ? 'quick' : byDefault];
  return openRebuildBed(context, { events });
}

/** Of the log, chunks of content among them: what each side is divided by must be the same. */
function perSecond(bed: RebuildBed): (rebuilt: RebuildResult & { wholeSeconds: number }) => number {
  return ({ wholeSeconds }) => bed.filled.events / wholeSeconds;
}

export const rebuildRow: Row = {
  name: 'rebuild',
  ours: whole,
  over: 'COPY of the finished rows, already formatted, into the same tables, and the same indexes',
  unit: 'events/s',
  target: { atLeast: 0.6 },
  open: async (context) => {
    const bed = await openBed(context);
    const reference = await bed.replayed(bed.filled.head);
    const expected = await bed.digests(reference.tiers);
    const ours = { name: 'rebuild', expected, measured: perSecond(bed) };
    return [
      {
        name: 'from the log',
        sides: [
          rebuildSide(context, bed, ours),
          await copySide(context, bed, { reference, expected, tables: 'all' }),
        ],
      },
      {
        name: 'from the sealed spool',
        sides: [
          rebuildSide(context, bed, { ...ours, name: 'fold and load', isScannedBefore: true }),
          await copySide(context, bed, { reference, expected, tables: 'folded' }),
        ],
      },
    ];
  },
};

export const rebuildNaiveRow: Row = {
  name: 'rebuild-naive',
  ours: whole,
  over: 'event by event, each row read, folded and written by statements of its own, side by side',
  unit: 'events/s',
  target: { atLeast: 50 },
  open: async (context) => {
    const bed = await openBed(context, 'long');
    const ours = rebuildSide(context, bed, { name: 'rebuild', measured: perSecond(bed) });
    return [{ sides: [ours, naiveSide(context, bed)] }];
  },
};

export const rebuildSourceRow: Row = {
  name: 'rebuild-source',
  ours: whole,
  over: 'the same readers, which decode every event, join and parse its content, and throw it away',
  unit: 'events/s',
  target: { atLeast: 0.8 },
  open: async (context) => {
    const bed = await openBed(context, 'long');
    const ours = rebuildSide(context, bed, { name: 'rebuild', measured: perSecond(bed) });
    return [{ sides: [ours, sourceSide(context, bed)] }];
  },
};
