import { clusterTemplateEnvironment } from '../support/cluster-template';
import { runToEnd } from '../support/processes';
import type { RebuildReport } from './rebuild/report';

type Printed = RebuildReport & { readonly passed: boolean };

test('a rebuild that is killed at every stage, and PostgreSQL with it, makes what serves, and nobody who reads notices', async () => {
  const args = ['rebuild', '--quick', '--json'];
  const { exitCode, output } = await runToEnd('test/chaos/main.js', {
    args,
    env: clusterTemplateEnvironment(),
  });
  const document = output.split('\n').find((line) => line.startsWith('{'));
  if (document === undefined) throw new Error(`there is no report:\n${output}`);
  const report = JSON.parse(document) as Printed;
  const broken = report.verdicts.filter(({ violations }) => violations.length > 0);
  expect({ seed: report.seed, broken }).toEqual({ seed: report.seed, broken: [] });
  expect(report.interrupted.map(({ shards }) => shards)).toEqual([1, 2, 7]);
  expect(report.interrupted.flatMap(({ strikes }) => strikes.map(({ atPercent }) => atPercent))).toEqual([
    5, 25, 50, 75, 99, 50, 25, 75,
  ]);
  expect(report.interrupted.filter(({ outages }) => outages.length > 0)).toHaveLength(1);
  for (const { slots } of report.comparisons) expect(slots).toBeGreaterThan(500);
  expect(report.reads.reads).toBeGreaterThan(10);
  expect(report.writes.events).toBeGreaterThan(0);
  expect(report.passed).toBe(true);
  expect(exitCode).toBe(0);
}, 400_000);
