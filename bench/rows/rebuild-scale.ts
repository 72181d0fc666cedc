import type { Row, RowContext, Side } from '../harness/row';
import { openRebuildBed, type RebuildBed } from '../parts/rebuild-bed';
import { rebuildSide, type RebuiltPart } from '../parts/rebuild-side';

const eventsByDefault = {
  full: 300_000,
  tenants: 400_000,
  quick: 20_000,
} as const;
const peakBytesMax = 250e6;
const tenantsOfOneBed = 200;

/** The whole of a log over its first tenth; by default so long that a round takes less than a minute. */
async function tenfoldSides(
  context: RowContext,
  part: Pick<RebuiltPart, 'violations'> & {
    readonly measured: (of: { events: number; seconds: number; peakBytes: number }) => number;
  },
): Promise<readonly [Side, Side]> {
  const byDefault = context.quick ? eventsByDefault.quick : eventsByDefault.full;
  const bed = await openRebuildBed(context, { events: context.events ?? byDefault });
  const { events, tenth } = bed.filled;
  const side = (name: string, read: number, fence?: bigint): Side =>
    rebuildSide(context, bed, {
      ...part,
      ...(fence === undefined ? {} : { fence }),
      name,
      measured: ({ wholeSeconds, peakBytes }) =>
        part.measured({ events: read, seconds: wholeSeconds, peakBytes }),
    });
  return [side(`${events} events`, events), side(`${tenth.events} events`, tenth.events, tenth.position)];
}

export const rebuildLinearRow: Row = {
  name: 'rebuild-linear',
  ours: 'time per event of a rebuild of 300,000 events (--events)',
  over: 'the same of its first tenth',
  unit: 'µs/event',
  target: { atMost: 1.05 },
  open: async (context) => [
    { sides: await tenfoldSides(context, { measured: ({ events, seconds }) => (1e6 * seconds) / events }) },
  ],
};

export const rebuildMemoryRow: Row = {
  name: 'rebuild-memory',
  ours: 'most memory the tool holds while it rebuilds 300,000 events (--events), which is at most 250 MB',
  over: 'the same of its first tenth',
  unit: 'MB',
  target: { atMost: 1.05 },
  open: async (context) => [
    {
      sides: await tenfoldSides(context, {
        measured: ({ peakBytes }) => peakBytes / 1e6,
        violations: ({ peakBytes }) =>
          peakBytes <= peakBytesMax ? [] : [`it held ${Math.round(peakBytes / 1e6)} MB, more than 250`],
      }),
    },
  ],
};

export const rebuildTenantRow: Row = {
  name: 'rebuild-tenant',
  ours: 'seconds to rebuild one tenant of 200',
  over: 'all of them',
  unit: 's',
  target: { atMost: 0.03 },
  open: async (context) => {
    const events = context.events ?? (context.quick ? eventsByDefault.quick : eventsByDefault.tenants);
    const bed = await openRebuildBed(context, { events, tenants: tenantsOfOneBed });
    const measured = ({ wholeSeconds }: { wholeSeconds: number }): number => wholeSeconds;
    const tenantId = middleTenant(bed);
    return [
      {
        sides: [
          rebuildSide(context, bed, { name: 'one tenant', tenantId, measured }),
          rebuildSide(context, bed, { name: 'all tenants', measured }),
        ],
      },
    ];
  },
};

/** Neither one of those with most mail, which come first, nor of those with least. */
function middleTenant({ sample: { tenants } }: RebuildBed): string {
  const tenant = tenants[Math.floor(tenants.length / 2)];
  if (tenant === undefined) throw new Error('there is no tenant');
  return tenant.tenantId;
}
