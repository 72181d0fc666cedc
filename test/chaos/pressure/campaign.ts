import { table } from '../../../apps/mailfold/output';
import type { Campaign, CampaignOptions } from '../campaign';
import type { Finding, PressureScenario } from './scenario';
import { pressureScenarios } from './scenarios';

interface ScenarioReport {
  readonly scenario: string;
  /** Why it could not run here. */
  readonly skipped: string | null;
  readonly findings: readonly Finding[];
}

/** Loads the embedded node in every direction it could give way, and measures what it does then. */
export const pressureCampaign: Campaign = {
  description:
    'stalled readers, 10,000 appends at once, 100,000 streams, a log of 1 GiB, a full disk: what the node does then',
  drawsFaults: false,
  run: async (options) => {
    const reports: ScenarioReport[] = [];
    for (const scenario of pressureScenarios) {
      if (options.signal.aborted) break;
      reports.push(await runScenario(scenario, options));
    }
    const held = reports.every(({ findings }) => findings.every(({ holds }) => holds));
    const text = options.json
      ? JSON.stringify({ form: options.quick ? 'quick' : 'full', scenarios: reports, passed: held })
      : reports.flatMap(reportLines).join('\n');
    process.stdout.write(`${text}\n`);
    return held;
  },
};

async function runScenario(
  { name, impossible, run }: PressureScenario,
  { quick }: CampaignOptions,
): Promise<ScenarioReport> {
  const skipped = impossible();
  if (skipped !== null) return { scenario: name, skipped, findings: [] };
  const tell = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
  return { scenario: name, skipped: null, findings: await run(quick ? 'quick' : 'full', tell) };
}

function reportLines({ scenario, skipped, findings }: ScenarioReport): string[] {
  if (skipped !== null) return [`${scenario}: skipped, ${skipped}`, ''];
  const rows = findings.map(({ what, measured, allowed, holds }) => [
    holds ? 'holds' : 'BROKEN',
    what,
    measured,
    allowed,
  ]);
  return [scenario, ...table([['', '', 'measured', 'allowed'], ...rows]), ''];
}
