import type { Row } from '../harness/row';
import { copySide } from '../parts/copy-side';
import { naiveSide } from '../parts/naive-side';
import { openRebuildBed } from '../parts/rebuild-bed';
import { rebuildSide } from '../parts/rebuild-side';

const eventsByDefault = { full: 100_000, quick: 5_000 } as const;
const ours = 'events/s of a rebuild of all tiers, with indexes and switch';

export const rebuildRow: Row = {
  name: 'rebuild',
  ours,
  over: 'COPY of the finished rows, already formatted, into the same tables, and the same indexes',
  unit: 'events/s',
  target: { atLeast: 0.6 },
  open: async (context) => {
    const events = context.events ?? (context.quick ? eventsByDefault.quick : eventsByDefault.full);
    const bed = await openRebuildBed(context, { events });
    const reference = await bed.replayed(bed.filled.head);
    const expected = await bed.digests(reference.tiers);
    const measured = ({ events: read, wholeSeconds }: { events: number; wholeSeconds: number }): number =>
      read / wholeSeconds;
    return [
      {
        sides: [
          rebuildSide(context, bed, { name: 'rebuild', expected, measured }),
          await copySide(context, bed, { reference, expected }),
        ],
      },
    ];
  },
};

export const rebuildNaiveRow: Row = {
  name: 'rebuild-naive',
  ours,
  over: 'event by event, each row read, folded and written by statements of its own, side by side',
  unit: 'events/s',
  target: { atLeast: 50 },
  open: async (context) => {
    const events = context.events ?? (context.quick ? eventsByDefault.quick : eventsByDefault.full);
    const bed = await openRebuildBed(context, { events });
    const measured = ({ events: read, wholeSeconds }: { events: number; wholeSeconds: number }): number =>
      read / wholeSeconds;
    return [{ sides: [rebuildSide(context, bed, { name: 'rebuild', measured }), naiveSide(context, bed)] }];
  },
};
