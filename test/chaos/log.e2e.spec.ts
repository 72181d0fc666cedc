import { runToEnd } from '../support/processes';
import { quickCounts } from './log/faults';
import type { LogReport } from './log/report';
import type { SelfTestReport } from './log/self-test';

type Printed = LogReport & { readonly selfTest: SelfTestReport; readonly passed: boolean };

test('the log keeps its promises while the node and PostgreSQL are killed, and the harness sees a log that does not', async () => {
  const { exitCode, output } = await runToEnd('test/chaos/main.js', { args: ['log', '--quick', '--json'] });
  const document = output.split('\n').find((line) => line.startsWith('{'));
  if (document === undefined) throw new Error(`there is no report:\n${output}`);
  const report = JSON.parse(document) as Printed;
  const broken = report.verdicts.filter(({ violations }) => violations > 0);
  expect({ seed: report.seed, failure: report.failure, broken }).toEqual({
    ...{ seed: report.seed, failure: null, broken: [] },
  });
  expect(Object.fromEntries(report.faults.map(({ kind, struck }) => [kind, struck]))).toEqual(quickCounts);
  expect(report.operations.ok).toBeGreaterThan(100);
  expect(report.operations.fail).toBeGreaterThan(0);
  expect(report.delivered['subscriber']).toBe(report.events);
  expect(report.selfTest.lostEventIds.length).toBeGreaterThan(0);
  expect(report.passed).toBe(true);
  expect(exitCode).toBe(0);
}, 180_000);
