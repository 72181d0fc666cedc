import { table } from '../../../apps/mailfold/output';
import type { Campaign, CampaignOptions } from '../campaign';
import type { Finding, PressureScenario } from './scenario';
import { pressureScenarios } from './scenarios';

interface ScenarioReport {
  readonly scenario: string;
  /** Why it could not run here. */
  readonly skipped: string | null;
  readonly findings: readonly Finding[];
  /** What ended it before its time. */
  readonly failure: string | null;
}

/** Loads the embedded node in every direction it could give way, and measures what it does then. */
export const pressureCampaign: Campaign = {
  description:
    'stalled readers, 10,000 appends at once, 100,000 streams, a log of 1 GiB, a full disk: what the node does then',
  drawsFaults: false,
  run: async (options) => {
    const { json, quick, signal } = options;
    const reports: ScenarioReport[] = [];
    for (const scenario of pressureScenarios) {
      const report = signal.aborted ? null : await runScenario(scenario, options);
      if (report !== null) reports.push(report);
    }
    const held = reports.every(
      ({ findings, failure }) => failure === null && findings.every(({ holds }) => holds),
    );
    const form = quick ? 'quick' : 'full';
    const interrupted = signal.aborted;
    const text = json
      ? JSON.stringify({ form, interrupted, scenarios: reports, passed: held && !interrupted })
      : reports.flatMap(reportLines).join('\n');
    process.stdout.write(`${text}\n`);
    return held;
  },
};

/** Null when it was interrupted: what it has seen until then shows nothing. */
async function runScenario(
  { name, impossible, run }: PressureScenario,
  { quick, signal }: CampaignOptions,
): Promise<ScenarioReport | null> {
  const skipped = impossible();
  const report = { scenario: name, skipped, findings: [], failure: null };
  if (skipped !== null) return report;
  const tell = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
  try {
    return { ...report, findings: await run({ size: quick ? 'quick' : 'full', tell, signal }) };
  } catch (error) {
    if (signal.aborted) return null;
    return { ...report, failure: error instanceof Error ? error.message : String(error) };
  }
}

function reportLines({ scenario, skipped, findings, failure }: ScenarioReport): string[] {
  if (skipped !== null) return [`${scenario}: skipped, ${skipped}`, ''];
  if (failure !== null) return [`${scenario}: FAILED, ${failure}`, ''];
  const rows = findings.map(({ what, measured, allowed, holds }) => [
    holds ? 'holds' : 'BROKEN',
    what,
    measured,
    allowed,
  ]);
  return [scenario, ...table([['', '', 'measured', 'allowed'], ...rows]), ''];
}
