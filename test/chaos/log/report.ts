import { duration, groupedDigits, plural, table } from '../../../apps/mailfold/output';
import { logInvariants, lostEvents, type LogInvariant, type Violation } from '../check-log';
import { faultKinds, type FaultKind } from './faults';
import { acknowledgedEvents, type Operation, type Outcome } from './history';
import type { LogRun } from './run-log';
import type { SelfTestReport } from './self-test';

const examplesMax = 3;

export interface FaultReport {
  readonly kind: FaultKind;
  readonly struck: number;
  /** Until every writing process was acknowledged again; null where it was never waited for. */
  readonly recoveredAfterMs: { readonly median: number; readonly max: number } | null;
}

export interface Verdict {
  readonly invariant: LogInvariant;
  readonly rule: string;
  readonly violations: number;
  readonly examples: readonly Pick<Violation, 'message' | 'eventIds'>[];
}

/** What a run was, apart from what came of it. */
export interface ReportHead {
  readonly seed: number;
  readonly form: 'quick' | 'full';
  readonly durationSeconds: number;
  readonly interrupted: boolean;
}

/** All figures of one run; `--json` prints it as it stands. */
export interface LogReport extends ReportHead {
  readonly faults: readonly FaultReport[];
  readonly operations: Readonly<Record<Outcome, number>>;
  readonly acknowledgedEvents: number;
  /** Why operations were refused or stayed unknown. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly commands: number;
  readonly events: number;
  readonly streams: number;
  readonly delivered: Readonly<Record<string, number>>;
  readonly lostEvents: number;
  readonly duplicateEvents: number;
  readonly strayRejections: number;
  readonly verdicts: readonly Verdict[];
  readonly failure: string | null;
}

export function reportOf(run: LogRun, head: ReportHead): LogReport {
  const { operations, dump, violations } = run;
  return {
    ...head,
    faults: (Object.keys(faultKinds) as FaultKind[]).map((kind) => faultReport(kind, run)),
    operations: outcomesOf(operations),
    acknowledgedEvents: acknowledgedEvents(operations),
    reasons: reasonsOf(operations),
    commands: new Set(operations.map(({ commandId }) => commandId)).size,
    events: dump.all.length,
    streams: dump.streams.size,
    delivered: Object.fromEntries(
      run.deliveries.map(({ subscriber, events }) => [subscriber, events.length]),
    ),
    lostEvents: lostEvents(violations, dump).length,
    duplicateEvents: dump.all.length - new Set(dump.all.map(({ eventId }) => eventId)).size,
    strayRejections: run.strayRejections,
    verdicts: (Object.keys(logInvariants) as LogInvariant[]).map((invariant) =>
      verdict(invariant, violations),
    ),
    failure: run.failure,
  };
}

/** Whether the run shows what it is there to show; one that was interrupted, whether it has seen nothing to the contrary. */
export function held(report: LogReport): boolean {
  const violations = report.verdicts.reduce((sum, each) => sum + each.violations, 0);
  const isWhole = violations === 0 && report.strayRejections === 0 && report.failure === null;
  return isWhole && (report.interrupted || (report.operations.ok > 0 && report.events > 0));
}

export function reportLines(report: LogReport): string[] {
  const { operations: of } = report;
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  return [
    `chaos log, ${report.form} form, seed ${report.seed}, ${duration(report.durationSeconds)}${report.interrupted ? ', interrupted' : ''}`,
    '',
    ...table([
      ['fault', 'struck', 'all write again after: median', 'longest'],
      ...report.faults.map(({ kind, struck, recoveredAfterMs: after }) => [
        faultKinds[kind],
        struck,
        after === null ? '–' : seconds(after.median),
        after === null ? '–' : seconds(after.max),
      ]),
    ]),
    '',
    `operations  ${groupedDigits(of.ok)} acknowledged, ${groupedDigits(of.fail)} refused, ${groupedDigits(of.info)} of unknown outcome, of ${plural(report.commands, 'command')}`,
    `log         ${plural(report.events, 'event')}, ${groupedDigits(report.acknowledgedEvents)} of them acknowledged, in ${plural(report.streams, 'stream')}`,
    `delivered   ${Object.entries(report.delivered)
      .map(([subscriber, count]) => `${groupedDigits(count)} to the ${subscriber}`)
      .join(', ')}`,
    `lost        ${groupedDigits(report.lostEvents)}`,
    `duplicates  ${groupedDigits(report.duplicateEvents)}`,
    `unhandled   ${plural(report.strayRejections, 'rejection')} in the writers`,
    '',
    ...table(
      report.verdicts.map(({ invariant, rule, violations }) => [
        invariant,
        violations === 0 ? 'holds' : `BROKEN ${plural(violations, 'time')}`,
        rule,
      ]),
    ),
    ...report.verdicts.flatMap(({ invariant, examples }) =>
      examples.map(({ message, eventIds }) => `${invariant}: ${message} (${shortList(eventIds)})`),
    ),
    ...(report.failure === null ? [] : [`failed: ${report.failure}`]),
  ];
}

export function selfTestLines({ rounds, acknowledgedEvents, lostEventIds }: SelfTestReport): string[] {
  const setting = 'self-test: with commits made asynchronous behind the back of the node,';
  if (lostEventIds.length === 0)
    return [`${setting} NO loss was reported in ${plural(rounds, 'round')}: the harness is broken`];
  const lost = `${groupedDigits(lostEventIds.length)} of ${plural(acknowledgedEvents, 'acknowledged event')} were lost and reported`;
  return [`${setting} ${lost} (round ${rounds}): ${shortList(lostEventIds)}`];
}

function faultReport(kind: FaultKind, { struck }: LogRun): FaultReport {
  const ofKind = struck.filter((fault) => fault.kind === kind);
  const times = ofKind.flatMap(({ recoveredAfterMs }) => recoveredAfterMs ?? []).sort((a, b) => a - b);
  const [median, max] = [times[times.length >> 1], times.at(-1)];
  const recoveredAfterMs = median === undefined || max === undefined ? null : { median, max };
  return { kind, struck: ofKind.length, recoveredAfterMs };
}

function verdict(invariant: LogInvariant, violations: readonly Violation[]): Verdict {
  const broken = violations.filter((violation) => violation.invariant === invariant);
  const examples = broken.slice(0, examplesMax).map(({ message, eventIds }) => ({ message, eventIds }));
  return { invariant, rule: logInvariants[invariant], violations: broken.length, examples };
}

function outcomesOf(operations: readonly Operation[]): Record<Outcome, number> {
  const counts: Record<Outcome, number> = { ok: 0, fail: 0, info: 0 };
  for (const { outcome } of operations) counts[outcome]++;
  return counts;
}

function reasonsOf(operations: readonly Operation[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of operations) if (reason !== null) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

function shortList(eventIds: readonly string[]): string {
  const shown = eventIds.slice(0, examplesMax).join(', ');
  return eventIds.length > examplesMax ? `${shown}, …` : shown;
}
