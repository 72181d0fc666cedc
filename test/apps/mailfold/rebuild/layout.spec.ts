import fc from 'fast-check';
import { allSlots, divided } from '../../../../apps/shared/generations/coverage';
import type { Placement, Target } from '../../../../apps/shared/generations/placement';
import { layoutOf } from '../../../../apps/mailfold/rebuild/layout';
import { runSpec } from '../../../../apps/mailfold/rebuild/run-spec';

/** A tier that one generation serves from the shards of these databases. */
function servedFrom(databaseRefs: readonly string[]): Placement {
  const ranges = divided(allSlots, databaseRefs.length);
  const targets = databaseRefs.map((databaseRef, shard): Target => ({
    ...{ tier: 'oltp', generation: 1, shard, databaseRef, schema: `g1s${shard}` },
    ...{ slots: ranges[shard] ?? allSlots, tenantId: null, except: [] },
  }));
  const pointers = [{ slots: allSlots, generation: 1, previousGeneration: null }];
  return { tier: 'oltp', epoch: 1, pointers, tenantPointers: [], targets };
}

const width = ({ from, to }: { from: number; to: number }): number => to - from + 1;
const A = 'OLTP_DATABASE_URL';
const B = 'OLTP_DATABASE_URL_B';

describe('the layout of a re-partition', () => {
  it('keeps the first quarter of one shard where it is, and makes three for the others', () => {
    const spec = runSpec.parse({ kind: 'repartition', tiers: ['oltp'], shards: 4, databases: [A, B] });
    const { targets, moving } = layoutOf(spec, servedFrom([A]));
    expect(targets.map(({ databaseRef, coverage }) => [databaseRef, coverage.slots])).toEqual([
      [B, { from: 1_024, to: 2_047 }],
      [A, { from: 2_048, to: 3_071 }],
      [B, { from: 3_072, to: 4_095 }],
    ]);
    expect(moving.every(({ from }) => from.schema === 'g1s0')).toBe(true);
  });

  it('moves one quarter only from four shards to three', () => {
    const spec = runSpec.parse({ kind: 'repartition', tiers: ['oltp'], shards: 3, databases: [A] });
    const { moving } = layoutOf(spec, servedFrom([A, A, A, A]));
    expect(moving.reduce((sum, { slots }) => sum + width(slots), 0)).toBe(1_024);
    expect(new Set(moving.map(({ from }) => from.schema))).toEqual(new Set(['g1s3']));
  });

  it('finds nothing to do where everything lies as it should', () => {
    const spec = runSpec.parse({ kind: 'repartition', tiers: ['oltp'], shards: 2, databases: [A, B] });
    expect(layoutOf(spec, servedFrom([A, B]))).toEqual({ targets: [], moving: [] });
  });

  it('moves no more than the shards that lack slots lack, and fills each database with its share', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(A, B), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom([A], [A, B]),
        (before, shards, databases) => {
          const spec = runSpec.parse({ kind: 'repartition', tiers: ['oltp'], shards, databases });
          const placement = servedFrom(before);
          const { targets, moving } = layoutOf(spec, placement);
          const held = new Map<string, number>();
          const add = (databaseRef: string, slots: number): void =>
            void held.set(databaseRef, (held.get(databaseRef) ?? 0) + slots);
          for (const { databaseRef, slots } of placement.targets) add(databaseRef, width(slots));
          for (const { from, to, slots } of moving) {
            add(from.databaseRef, -width(slots));
            add(to, width(slots));
          }
          const wanted = new Map<string, number>();
          divided(allSlots, shards).forEach((range, shard) => {
            const ref = databases[shard % databases.length] ?? '';
            wanted.set(ref, (wanted.get(ref) ?? 0) + width(range));
          });
          for (const ref of [A, B]) expect(held.get(ref) ?? 0).toBe(wanted.get(ref) ?? 0);
          const made = targets.reduce((sum, { coverage }) => sum + width(coverage.slots), 0);
          expect(made).toBe(moving.reduce((sum, { slots }) => sum + width(slots), 0));
        },
      ),
    );
  });
});

describe('a tenant that has a place of its own', () => {
  const tenantId = '0d1b9f2e-6a65-4a6c-9a3e-000000000001';
  const pinnedBeside = (givenUpBy: readonly number[]): Placement => {
    const { targets, ...placement } = servedFrom([A, A]);
    const pinned = { tier: 'oltp' as const, generation: 2, shard: 0, databaseRef: B, schema: 'g2' };
    return {
      ...placement,
      tenantPointers: [{ tenantId, generation: 2, previousGeneration: null }],
      targets: [
        ...targets.map((target) =>
          givenUpBy.includes(target.shard) ? { ...target, except: [tenantId] } : target,
        ),
        { ...pinned, slots: allSlots, tenantId, except: [] },
      ],
    };
  };
  const exceptions = (spec: object, placement: Placement): (readonly string[] | undefined)[] =>
    layoutOf(runSpec.parse(spec), placement).targets.map(({ coverage }) => coverage.except);

  it('stays there once all that are rebuilt or moved have given it up', () => {
    const rebuild = { kind: 'rebuild', tiers: ['oltp'] };
    expect(exceptions(rebuild, pinnedBeside([0, 1]))).toEqual([[tenantId]]);
    expect(exceptions(rebuild, pinnedBeside([0]))).toEqual([undefined]);
    const repartition = { kind: 'repartition', tiers: ['oltp'], shards: 4, databases: [A, B] };
    expect(exceptions(repartition, pinnedBeside([0, 1]))).toEqual([[tenantId], [tenantId]]);
  });

  it('is in a copy as of a time, which is no part of what serves', () => {
    const asOf = { position: '100', ttlHours: 1 };
    expect(exceptions({ kind: 'rebuild', tiers: ['oltp'], asOf }, pinnedBeside([0, 1]))).toEqual([undefined]);
  });
});

describe('the layout of a rebuild', () => {
  it('makes the same shards once more, neighbours in one database as one', () => {
    const spec = runSpec.parse({ kind: 'rebuild', tiers: ['oltp'] });
    const { targets } = layoutOf(spec, servedFrom([A, A, B, A]));
    expect(targets.map(({ databaseRef, coverage }) => [databaseRef, coverage.slots])).toEqual([
      [A, { from: 0, to: 2_047 }],
      [B, { from: 2_048, to: 3_071 }],
      [A, { from: 3_072, to: 4_095 }],
    ]);
  });

  it('makes one target for a tenant, and a part of the slots for a part', () => {
    const tenantId = '0d1b9f2e-6a65-4a6c-9a3e-000000000001';
    const ofTenant = runSpec.parse({ kind: 'rebuild', tiers: ['oltp'], tenantId });
    expect(layoutOf(ofTenant, servedFrom([A, B])).targets).toEqual([
      { databaseRef: A, coverage: { slots: allSlots, tenantId } },
    ]);
    const ofSlots = runSpec.parse({ kind: 'rebuild', tiers: ['oltp'], slots: { from: 2_000, to: 2_100 } });
    expect(layoutOf(ofSlots, servedFrom([A, B])).targets.map(({ coverage }) => coverage.slots)).toEqual([
      { from: 2_000, to: 2_047 },
      { from: 2_048, to: 2_100 },
    ]);
  });
});
