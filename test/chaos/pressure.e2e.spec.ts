import { clusterTemplateEnvironment } from '../support/cluster-template';
import { runToEnd } from '../support/processes';
import type { Finding } from './pressure/scenario';
import { pressureScenarios } from './pressure/scenarios';

interface Printed {
  readonly scenarios: readonly { scenario: string; skipped: string | null; findings: readonly Finding[] }[];
  readonly passed: boolean;
}

describe('the embedded node under pressure, in short form', () => {
  let printed: Printed;
  let exitCode: number | null;
  beforeAll(async () => {
    const run = await runToEnd('test/chaos/main.js', {
      args: ['pressure', '--quick', '--json'],
      env: clusterTemplateEnvironment(),
    });
    const document = run.output.split('\n').find((line) => line.startsWith('{'));
    if (document === undefined) throw new Error(`there is no report:\n${run.output}`);
    printed = JSON.parse(document) as Printed;
    exitCode = run.exitCode;
  }, 240_000);

  for (const { name, impossible } of pressureScenarios) {
    // Each scenario says why it cannot run here: no /proc, no right to make a small disk.
    const reason = impossible();
    (reason === null ? test : test.skip)(reason === null ? name : `${name} (${reason})`, () => {
      const findings = printed.scenarios.find(({ scenario }) => scenario === name)?.findings ?? [];
      expect(findings.length).toBeGreaterThan(0);
      expect(findings.filter(({ holds }) => !holds)).toEqual([]);
    });
  }

  test('the command says by its exit code that all of it holds', () => {
    expect({ exitCode, passed: printed.passed }).toEqual({ exitCode: 0, passed: true });
  });
});
