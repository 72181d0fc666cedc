import { Random } from '../../../apps/dev/sample-log/random';
import { fullCounts, planFaults, quickCounts, type FaultCounts } from './faults';

const countsOf = (seed: number, counts: FaultCounts): Record<string, number> => {
  const struck: Record<string, number> = Object.fromEntries(Object.keys(counts).map((kind) => [kind, 0]));
  for (const { kind } of planFaults(counts, new Random(seed))) struck[kind] = (struck[kind] ?? 0) + 1;
  return struck;
};

test('the full form kills the node 50 times and PostgreSQL 15 times', () => {
  expect(fullCounts['kill-node']).toBe(50);
  expect(fullCounts['kill-postmaster'] + fullCounts['kill-postgres']).toBe(15);
  expect(countsOf(1, fullCounts)).toEqual(fullCounts);
  expect(countsOf(2, quickCounts)).toEqual(quickCounts);
});

test('a seed names one plan, and another seed another', () => {
  const plan = (seed: number) => planFaults(fullCounts, new Random(seed));
  expect(plan(7)).toEqual(plan(7));
  expect(plan(8)).not.toEqual(plan(7));
});

test('faults come at all times, some before the writers have found back', () => {
  const plans = Array.from({ length: 20 }, (_, seed) => planFaults(fullCounts, new Random(seed))).flat();
  const early = plans.filter(({ duringRecovery }) => duringRecovery).length / plans.length;
  expect(early).toBeGreaterThan(0.1);
  expect(early).toBeLessThan(0.3);
  const times = plans.filter(({ duringRecovery }) => !duringRecovery).map(({ afterMs }) => afterMs);
  expect(Math.min(...times)).toBeLessThan(50);
  expect(Math.max(...times)).toBeGreaterThan(1_450);
});

test('forks of one seed draw differently', () => {
  const drawn = Array.from({ length: 100 }, (_, index) => new Random(1).fork(index).next());
  expect(new Set(drawn).size).toBe(drawn.length);
});
