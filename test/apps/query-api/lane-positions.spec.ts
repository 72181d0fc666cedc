import { LanePositions, noPosition } from '../../../apps/query-api/reading/lane-positions';

const ana = 'tenant-a';
const ben = 'tenant-b';

describe('what is known of the lanes of a generation', () => {
  it('is nothing at first', () => {
    const lanes = new LanePositions();
    expect(lanes.position).toBeNull();
    expect(lanes.versionOf(ana)).toBeNull();
  });

  it('reaches as far as its slowest lane', () => {
    const lanes = new LanePositions();
    lanes.audit([
      { lane: 0, position: 90n },
      { lane: 1, position: 40n },
    ]);
    expect(lanes.position).toBe(40n);
    lanes.notice({ lane: 1, position: 120n, tenants: [] });
    expect(lanes.position).toBe(90n);
  });

  it('never goes back, whatever order news comes in', () => {
    const lanes = new LanePositions();
    lanes.audit([{ lane: 0, position: 90n }]);
    lanes.look([{ lane: 0, position: 50n }]);
    lanes.notice({ lane: 0, position: 60n, tenants: [] });
    expect(lanes.position).toBe(90n);
  });

  it('gives a tenant another version with each commit that touched it, and with no other', () => {
    const lanes = new LanePositions();
    lanes.audit([{ lane: 0, position: 10n }]);
    const before = [lanes.versionOf(ana)?.version, lanes.versionOf(ben)?.version];
    lanes.notice({ lane: 0, position: 20n, tenants: [ana] });
    expect(lanes.versionOf(ana)?.version).not.toBe(before[0]);
    expect(lanes.versionOf(ben)).toEqual({ version: before[1], position: 20n });
  });

  it('tells apart commits of two lanes, of which the later one stands at the lower position', () => {
    const lanes = new LanePositions();
    lanes.audit([
      { lane: 0, position: 0n },
      { lane: 1, position: 0n },
    ]);
    lanes.notice({ lane: 0, position: 100n, tenants: [ana] });
    const before = lanes.versionOf(ana)?.version;
    lanes.notice({ lane: 1, position: 90n, tenants: [ana] });
    expect(lanes.versionOf(ana)?.version).not.toBe(before);
  });

  it('does not vouch for tenants beyond what was heard', () => {
    const lanes = new LanePositions();
    lanes.look([{ lane: 0, position: 50n }]);
    expect([lanes.position, lanes.versionOf(ana)]).toEqual([50n, null]);
    lanes.audit([{ lane: 0, position: 50n }]);
    lanes.look([{ lane: 0, position: 70n }]);
    expect([lanes.position, lanes.versionOf(ana)?.position]).toEqual([70n, 50n]);
  });

  it.each([
    [
      'a notice that names nobody',
      (lanes: LanePositions) => lanes.notice({ lane: 0, position: 20n, tenants: null }),
    ],
    [
      'an audit that finds more than was told',
      (lanes: LanePositions) => lanes.audit([{ lane: 0, position: 20n }]),
    ],
    ['more tenants than are remembered', manyTenants],
  ])('counts every tenant as changed after %s', (_what, happens) => {
    const lanes = new LanePositions();
    lanes.audit([{ lane: 0, position: 10n }]);
    const before = lanes.versionOf(ben)?.version;
    happens(lanes);
    expect(lanes.versionOf(ben)?.version).not.toBe(before);
  });

  it('keeps its versions over an audit that finds nothing new', () => {
    const lanes = new LanePositions();
    lanes.audit([{ lane: 0, position: noPosition }]);
    lanes.notice({ lane: 0, position: 5n, tenants: [ana] });
    const before = lanes.versionOf(ben);
    lanes.audit([{ lane: 0, position: 5n }]);
    expect(lanes.versionOf(ben)).toEqual(before);
  });
});

function manyTenants(lanes: LanePositions): void {
  lanes.notice({ lane: 0, position: 20n, tenants: Array.from({ length: 50_001 }, (_, n) => `tenant-${n}`) });
}
