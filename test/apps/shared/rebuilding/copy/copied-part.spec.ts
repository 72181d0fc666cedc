import { allSlots, type Coverage } from '../../../../../apps/shared/generations/coverage';
import { partsToCopy, rowsOf } from '../../../../../apps/shared/rebuilding/copy/copied-part';

const one = '0d1b9f2e-6a65-4a6c-9a3e-000000000001';
const other = '0d1b9f2e-6a65-4a6c-9a3e-000000000002';
const low = { from: 0, to: 2_047 };
const high = { from: 2_048, to: 4_095 };

const shared = (slots: Coverage['slots'], ...except: string[]): { coverage: Coverage } => ({
  coverage: { slots, tenantId: null, except },
});
const ofTenant = (tenantId: string, slots = allSlots): { coverage: Coverage } => ({
  coverage: { slots, tenantId, except: [] },
});
const taken = (target: Coverage, sources: { coverage: Coverage }[]): [number, string][] =>
  partsToCopy(target, sources).map(({ source, coverage }) => [sources.indexOf(source), rowsOf(coverage)]);

describe('what a target takes over', () => {
  it('are its slots of each source', () => {
    const { coverage } = shared({ from: 2_000, to: 2_100 });
    expect(taken(coverage, [shared(high), shared(low)])).toEqual([
      [0, 'slot between 2048 and 2100'],
      [1, 'slot between 2000 and 2047'],
    ]);
  });

  it('is a tenant from its own place, and from there alone', () => {
    expect(taken(shared(high).coverage, [shared(allSlots, one), ofTenant(one)])).toEqual([
      [0, `slot between 2048 and 4095 and tenant_id not in ('${one}'::uuid)`],
      [1, `slot between 2048 and 4095 and tenant_id = '${one}'::uuid`],
    ]);
    expect(
      taken(shared(allSlots, other).coverage, [shared(low, one), shared(high), ofTenant(one, low)]),
    ).toEqual([
      [0, `slot between 0 and 2047 and tenant_id not in ('${one}'::uuid, '${other}'::uuid)`],
      [1, `slot between 2048 and 4095 and tenant_id not in ('${other}'::uuid)`],
      [2, `slot between 0 and 2047 and tenant_id = '${one}'::uuid`],
    ]);
    expect(taken(shared(allSlots, one).coverage, [shared(allSlots, one), ofTenant(one)])).toHaveLength(1);
  });

  it.each([
    ['a slot that nobody has', [shared(low)], `slot 2048 of all tenants`],
    ['a slot that two have', [shared(low), shared(allSlots)], `slot 0 of all tenants`],
    ['a tenant that nobody has', [shared(allSlots, one)], `slot 0 of tenant ${one}`],
    ['a tenant that two have', [shared(allSlots), ofTenant(one)], `slot 0 of tenant ${one}`],
    [
      'a tenant that one has in part',
      [shared(allSlots, one), ofTenant(one, low)],
      `slot 2048 of tenant ${one}`,
    ],
  ])('is refused for %s', (_, sources, reason) => {
    expect(() => partsToCopy(shared(allSlots).coverage, sources)).toThrow(
      `${reason} is in no source, or in two`,
    );
  });
});
