import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgress } from '../../../apps/mailfold/progress';
import type { Campaign, CampaignOptions } from '../campaign';
import { Random } from '../../../apps/dev/sample-log/random';
import { fullCounts, quickCounts } from './faults';
import { held, reportLines, reportOf, selfTestLines, type LogReport, type ReportHead } from './report';
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
    const remove = (): void => rmSync(folder, { recursive: true, force: true });
    // The second Ctrl-C leaves no time for anything else.
    process.once('exit', remove);
    let isDone = false;
    try {
      isDone = await runIn(folder, options).catch((error: unknown) => {
        // A run that is cut off may fail in any way, and shows nothing by it.
        if (!options.signal.aborted) throw error;
        if (options.json) print([JSON.stringify({ interrupted: true, passed: false })]);
        return true;
      });
      return isDone;
    } finally {
      process.off('exit', remove);
      if (isDone) remove();
      else notice(`what the clients saw, the log and what the node said are kept in ${folder}`);
    }
  },
  checkAgain: async (folder, json) => {
    const { run, head } = await readRun(folder);
    const report = reportOf(run, head);
    print(json ? [JSON.stringify(report)] : reportLines(report));
    return held(report);
  },
};

async function runIn(folder: string, options: CampaignOptions): Promise<boolean> {
  const { json, signal } = options;
  const report = options.selfTestOnly ? null : await strikeAndCheck(folder, options);
  if (report !== null && !json) print(reportLines(report));
  const proof = await proveHarness(folder, options);
  if (proof !== null && !json) print(selfTestLines(proof));
  const isGood = (report === null || held(report)) && (proof === null || proof.lostEventIds.length > 0);
  if (json) print([JSON.stringify({ ...report, selfTest: proof, passed: isGood && !signal.aborted })]);
  return isGood;
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
    if (!held(report)) await keepRun(folder, run, head);
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
