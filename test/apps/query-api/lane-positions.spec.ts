import {
  LanePositions,
  noPosition,
  type Checkpoint,
  type Scope,
} from '../../../apps/query-api/reading/lane-positions';
import { allSlots, wholeTier, type Coverage } from '../../../apps/shared/generations/coverage';

const ana = 'tenant-a';
const ben = 'tenant-b';
const all = (tenantId: string): Scope => ({ tenantId, ranges: [allSlots] });
const at = (lane: number, position: bigint, coverage: Partial<Coverage> = {}): Checkpoint => ({
  lane,
  position,
  coverage: { ...wholeTier, ...coverage },
});

describe('what is known of the lanes of a target', () => {
  it('is nothing at first', () => {
    const lanes = new LanePositions();
    expect([lanes.isKnown, lanes.reached(all(ana)), lanes.versionOf(all(ana)), lanes.furthest]).toEqual([
      false,
      null,
      null,
      noPosition,
    ]);
  });

  it('reaches as far as its slowest lane', () => {
    const lanes = new LanePositions();
    lanes.audit([at(0, 90n), at(1, 40n)]);
    expect([lanes.reached(all(ana)), lanes.furthest]).toEqual([40n, 90n]);
    lanes.notice({ lane: 1, position: 120n, tenants: [] });
    expect([lanes.reached(all(ana)), lanes.furthest]).toEqual([90n, 120n]);
  });

  it('asks only the lanes that write what is read', () => {
    const lanes = new LanePositions();
    lanes.audit([
      at(0, 10n, { slots: { from: 0, to: 99 } }),
      at(1, 20n, { slots: { from: 100, to: 4095 }, except: [ben] }),
      at(2, 30n, { slots: { from: 100, to: 4095 }, tenantId: ben }),
    ]);
    const upper = { ranges: [{ from: 200, to: 300 }] };
    expect(lanes.reached({ tenantId: ana, ...upper })).toBe(20n);
    expect(lanes.reached({ tenantId: ben, ...upper })).toBe(30n);
    expect(lanes.reached(all(ben))).toBe(10n);
    expect(lanes.versionOf({ tenantId: ana, ...upper })).toBe('1:20');
  });

  it('never goes back, whatever order news comes in', () => {
    const lanes = new LanePositions();
    lanes.audit([at(0, 90n)]);
    lanes.look([at(0, 50n)]);
    lanes.notice({ lane: 0, position: 60n, tenants: [] });
    expect(lanes.reached(all(ana))).toBe(90n);
  });

  it('gives another version once rows were written again at the same position, also to who looks later', () => {
    const lanes = new LanePositions();
    lanes.audit([at(0, 90n)]);
    const before = lanes.versionOf(all(ana));
    lanes.notice({ lane: 0, position: 90n, tenants: [ana], rewrites: 1 });
    const after = lanes.versionOf(all(ana));
    expect(after).not.toBe(before);
    lanes.notice({ lane: 0, position: 90n, tenants: [], rewrites: 0 });
    expect(lanes.versionOf(all(ana))).toBe(after);
    const late = new LanePositions();
    late.audit([{ ...at(0, 90n), rewrites: 1 }]);
    expect(late.versionOf(all(ana))).toBe(after);
  });

  it('gives a tenant another version with each commit that touched it, and with no other', () => {
    const lanes = new LanePositions();
    lanes.audit([at(0, 10n)]);
    const before = [lanes.versionOf(all(ana)), lanes.versionOf(all(ben))];
    lanes.notice({ lane: 0, position: 20n, tenants: [ana] });
    expect(lanes.versionOf(all(ana))).not.toBe(before[0]);
    expect([lanes.versionOf(all(ben)), lanes.reached(all(ben))]).toEqual([before[1], 20n]);
  });

  it('tells apart commits of two lanes, of which the later one stands at the lower position', () => {
    const lanes = new LanePositions();
    lanes.audit([at(0, 0n), at(1, 0n)]);
    lanes.notice({ lane: 0, position: 100n, tenants: [ana] });
    const before = lanes.versionOf(all(ana));
    lanes.notice({ lane: 1, position: 90n, tenants: [ana] });
    expect(lanes.versionOf(all(ana))).not.toBe(before);
  });

  it('does not vouch for tenants while it has seen more than it was told', () => {
    const lanes = new LanePositions();
    lanes.look([at(0, 50n)]);
    expect([lanes.reached(all(ana)), lanes.versionOf(all(ana))]).toEqual([50n, null]);
    lanes.audit([at(0, 50n)]);
    expect(lanes.versionOf(all(ana))).toBe('0:50');
    lanes.look([at(0, 70n)]);
    expect([lanes.reached(all(ana)), lanes.versionOf(all(ana))]).toEqual([70n, null]);
    lanes.notice({ lane: 0, position: 70n, tenants: [ana] });
    expect(lanes.versionOf(all(ana))).toBe('0:70');
  });

  it('forgets all when a lane it does not know has come forward: the others may have other slots now', () => {
    const lanes = new LanePositions();
    lanes.audit([at(0, 50n)]);
    expect(lanes.notice({ lane: 1, position: 60n, tenants: [] })).toBe(false);
    expect([lanes.isKnown, lanes.reached(all(ana))]).toEqual([false, null]);
    lanes.look([at(0, 60n, { slots: { from: 0, to: 99 } }), at(1, 55n, { slots: { from: 100, to: 4095 } })]);
    expect(lanes.reached(all(ana))).toBe(55n);
  });

  it('forgets a lane that is gone', () => {
    const lanes = new LanePositions();
    lanes.audit([at(0, 50n), at(1, 10n)]);
    lanes.audit([at(0, 60n)]);
    expect(lanes.reached(all(ana))).toBe(60n);
  });

  it.each([
    [
      'a notice that names nobody',
      (lanes: LanePositions) => void lanes.notice({ lane: 0, position: 20n, tenants: null }),
    ],
    ['an audit that finds more than was told', (lanes: LanePositions) => lanes.audit([at(0, 20n)])],
    ['more tenants than are remembered', manyTenants],
  ])('counts every tenant as changed after %s', (_what, happens) => {
    const lanes = new LanePositions();
    lanes.audit([at(0, 10n)]);
    const before = lanes.versionOf(all(ben));
    happens(lanes);
    expect(lanes.versionOf(all(ben))).not.toBe(before);
  });

  it('keeps its versions over an audit that finds nothing new', () => {
    const lanes = new LanePositions();
    lanes.audit([at(0, noPosition)]);
    lanes.notice({ lane: 0, position: 5n, tenants: [ana] });
    const before = lanes.versionOf(all(ben));
    lanes.audit([at(0, 5n)]);
    expect(lanes.versionOf(all(ben))).toEqual(before);
  });
});

function manyTenants(lanes: LanePositions): void {
  lanes.notice({ lane: 0, position: 20n, tenants: Array.from({ length: 50_001 }, (_, n) => `tenant-${n}`) });
}
