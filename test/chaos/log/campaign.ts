import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgress } from '../../../apps/mailfold/progress';
import type { Campaign, CampaignOptions } from '../campaign';
import { Random } from '../random';
import { fullCounts, quickCounts } from './faults';
import { passed, reportLines, reportOf, selfTestLines, type LogReport, type ReportHead } from './report';
import { keepRun, readRun } from './run-files';
import { runLog } from './run-log';
import { selfTest, type SelfTestReport } from './self-test';

const selfTestRoundsMax = 10;

/** The log loses nothing that it has acknowledged, and shows nothing else (reliability.md I1 to I6, F5 to F7). */
export const logCampaign: Campaign = {
  description:
    'kill the event store node and PostgreSQL under eight writers; nothing acknowledged may be lost',
  drawsFaults: true,
  run: async (options) => {
    const folder = await mkdtemp(join(tmpdir(), 'mailfold-chaos-'));
    notice(`seed ${options.seed}; files in ${folder}`);
    let held = false;
    try {
      return (held = await runIn(folder, options));
    } finally {
      if (held) await rm(folder, { recursive: true });
      else notice(`what the clients saw, the log and what the node said are kept in ${folder}`);
    }
  },
  checkAgain: async (folder, json) => {
    const { run, head } = await readRun(folder);
    const report = reportOf(run, head);
    print(json ? [JSON.stringify(report)] : reportLines(report));
    return passed(report);
  },
};

async function runIn(folder: string, options: CampaignOptions): Promise<boolean> {
  const { json, signal } = options;
  const report = options.selfTestOnly ? null : await strikeAndCheck(folder, options);
  if (report !== null && !json) print(reportLines(report));
  const proof = await proveHarness(folder, options);
  if (proof !== null && !json) print(selfTestLines(proof));
  const held = (report === null || passed(report)) && (proof === null || proof.lostEventIds.length > 0);
  if (json) print([JSON.stringify({ ...report, selfTest: proof, passed: held && !signal.aborted })]);
  return held;
}

/** Null when it was interrupted before it could show anything. */
async function proveHarness(
  folder: string,
  { seed, signal }: CampaignOptions,
): Promise<SelfTestReport | null> {
  if (signal.aborted) return null;
  notice('self-test: losing events on purpose');
  const random = new Random(seed).fork(9);
  const proof = await selfTest({ random, roundsMax: selfTestRoundsMax, folder, signal });
  return signal.aborted && proof.lostEventIds.length === 0 ? null : proof;
}

async function strikeAndCheck(folder: string, { quick, seed, signal }: CampaignOptions): Promise<LogReport> {
  const beganAt = Date.now();
  const progress = createProgress('faults', 'events');
  try {
    const run = await runLog({
      random: new Random(seed),
      counts: quick ? quickCounts : fullCounts,
      folder,
      signal,
      onProgress: ({ struck, planned, events }) =>
        progress.update({ done: struck, total: planned, count: events }),
      onPhase: (text) => progress.say(text),
    });
    const head: ReportHead = {
      seed,
      form: quick ? 'quick' : 'full',
      durationSeconds: (Date.now() - beganAt) / 1_000,
      interrupted: signal.aborted,
    };
    const report = reportOf(run, head);
    if (!passed(report)) await keepRun(folder, run, head);
    return report;
  } finally {
    progress.stop();
  }
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

function notice(text: string): void {
  process.stderr.write(`${text}\n`);
}
