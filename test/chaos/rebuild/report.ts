import { duration, groupedDigits, plural, table } from '../../../apps/mailfold/output';
import type { RebuildRun } from './run-rebuild';

/**
 * A run that finds another one at work may take a second to say so, beyond what starting the tool takes; twice that, since
 * on a busy machine no two starts are alike.
 */
const refusalSecondsMax = (startSeconds: number): number => 1 + 2 * startSeconds;

export interface Verdict {
  readonly rule: string;
  /** What broke it, one line each. */
  readonly violations: readonly string[];
}

/** All figures of one campaign; `--json` prints it as it stands. */
export interface RebuildReport extends RebuildRun {
  readonly seed: number;
  readonly form: 'quick' | 'full';
  readonly events: number;
  readonly durationSeconds: number;
  readonly verdicts: readonly Verdict[];
}

export function verdictsOf(run: RebuildRun): Verdict[] {
  const { comparisons, interrupted, secondRun, reads, planted } = run;
  return [
    {
      rule: 'every generation, however often it was interrupted, holds what serves: each slot, over all shards',
      violations: comparisons.flatMap(({ what, differing }) =>
        differing.length === 0
          ? []
          : [`${what}: ${differing.length} differ, such as ${differing.slice(0, 3).join(', ')}`],
      ),
    },
    {
      rule: 'what was interrupted is gone on with, and comes to its end',
      violations: interrupted.flatMap(({ shards, failure }) =>
        failure === null ? [] : [`${plural(shards, 'shard')}: ${failure}`],
      ),
    },
    { rule: 'a second run at once is turned away, within a second', violations: refusalFaults(secondRun) },
    {
      rule: 'reads are served from the old generation throughout; none fails or goes back',
      violations: reads.reads === 0 ? ['nothing was read'] : reads.faults.map(({ text }) => text),
    },
    {
      rule: 'a row that is missing is reported',
      violations: planted.reported.includes(planted.in)
        ? []
        : [`a row of ${planted.in} was taken out, unnoticed`],
    },
  ];
}

export function isHeld({ verdicts }: Pick<RebuildReport, 'verdicts'>): boolean {
  return verdicts.every(({ violations }) => violations.length === 0);
}

export function reportLines(report: RebuildReport): string[] {
  const { reads, writes, secondRun, planted } = report;
  return [
    `chaos rebuild, ${report.form} form, seed ${report.seed}, ${groupedDigits(report.events)} events, ${duration(report.durationSeconds)}`,
    '',
    ...table([
      ['run', 'kills', 'phases they hit', 'then gone on with', 'slots equal'],
      ...report.comparisons.map((comparison, index) => comparisonRow(report, comparison, index)),
    ]),
    '',
    `second run  refused after ${secondRun.seconds.toFixed(2)} s (the tool alone takes ${secondRun.startSeconds.toFixed(2)} s to start): ${secondRun.message}`,
    `reads       ${groupedDigits(reads.reads)}, slowest ${Math.round(reads.slowestMs)} ms, ${plural(reads.faults.length, 'fault')}`,
    `writes      ${groupedDigits(writes.events)} events meanwhile, slowest ${Math.round(writes.slowestMs)} ms`,
    `self-test   a row taken out of ${planted.in}: reported ${planted.reported.join(', ') || 'nothing'}`,
    '',
    ...report.verdicts.map(({ rule, violations }) =>
      violations.length === 0 ? `holds   ${rule}` : `BROKEN  ${rule}: ${violations.slice(0, 3).join('; ')}`,
    ),
  ];
}

function comparisonRow(
  { interrupted }: RebuildReport,
  { what, slots, differing }: RebuildReport['comparisons'][number],
  index: number,
): string[] {
  // The first one is the undisturbed run.
  const run = interrupted[index - 1];
  const phases = run?.strikes.map(({ phase }) => phase ?? 'start') ?? [];
  return [
    what,
    String(run?.strikes.length ?? 0),
    phases.join(', ') || '–',
    run === undefined ? '–' : `${run.strikes.length + run.resumes - 1} times`,
    `${slots - differing.length} of ${slots}`,
  ];
}

function refusalFaults({ exitCode, seconds, startSeconds, message }: RebuildRun['secondRun']): string[] {
  const faults: string[] = [];
  if (exitCode === 0) faults.push('it ended as if it had done something');
  if (!/under way/.test(message)) faults.push(`it said: ${message}`);
  if (seconds > refusalSecondsMax(startSeconds))
    faults.push(`it took ${seconds.toFixed(2)} s, and the tool alone ${startSeconds.toFixed(2)} s`);
  return faults;
}
