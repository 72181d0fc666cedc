import type { Certificate } from '../../shared/proving/certificate';
import { groupedDigits, plural, table, type Output } from '../output';
import { shownRate, timeLeft } from '../progress';
import type { RunDetails, RunView } from './operations/run-view';
import { tookLine } from './plan-screen';
import { isFillable } from './run-states';
import type { RunProgress } from './runs';

/** The screens of `mailfold rebuild` and `mailfold repartition`; docs/rebuild.md shows each of them. */
export function printRun(output: Output, view: RunView | RunDetails): void {
  const { run, what, state, meaning, failure, workedOnBy, progress, eventsPerSecondMax, next } = view;
  output.line(`Run ${run}: ${what}`);
  output.line(`  state       ${state}: ${meaning}`);
  if (failure !== null) output.line(`  failure     ${failure}`);
  if (workedOnBy !== null) output.line(`  at work     ${workedOnBy}`);
  if (workedOnBy !== null && progress !== null) output.line(`  progress    ${progressLine(progress)}`);
  if (eventsPerSecondMax !== null) output.line(`  throttle    ${groupedDigits(eventsPerSecondMax)} events/s`);
  // Of a rolling rebuild each range has its own.
  const hasTook = progress !== null && !isFillable(state) && view.ranges === undefined;
  if (hasTook) output.line(`  took        ${tookLine(view.plan, progress)}`);
  for (const { tier, generation, isLive, targets } of view.generations)
    output.line(
      `  ${tier.padEnd(11)} generation ${generation}${isLive ? ', serving' : ''}: ` +
        targets
          .map(({ databaseRef, schema, slots }) => `${databaseRef} ${schema} slots ${slots.from}-${slots.to}`)
          .join('; '),
    );
  for (const [index, { slots, run: its, state: stands }] of (view.ranges ?? []).entries())
    output.line(
      `  range ${String(index + 1).padEnd(5)} slots ${slots.from}-${slots.to}: ${its === null ? 'not begun' : `run ${its}, ${stands}`}`,
    );
  for (const { tier, databaseRef, schema, parkedApplied, tables } of view.refolded ?? []) {
    const applied = parkedApplied === 0 ? '' : `; ${plural(parkedApplied, 'parked event')} applied`;
    output.line(`  ${tier.padEnd(11)} folded again in ${databaseRef} ${schema}${applied}`);
    for (const { table: name, before, after, isChanged } of tables)
      output.line(
        `              ${name}: ${isChanged ? `CHANGED, ${before.rows} → ${plural(after.rows, 'row')}` : `${plural(after.rows, 'row')}, as it was`}`,
      );
  }
  if ('journal' in view)
    for (const { at, actor, action, detail } of view.journal)
      output.line(`  ${at.slice(0, 19)}  ${action.padEnd(15)} ${actor}${detailOf(detail)}`);
  if (next.length > 0) output.line(`  next        ${next.join(' | ')}`);
}

export function printList(output: Output, views: readonly RunView[]): void {
  if (views.length === 0) {
    output.line('No run yet. `mailfold rebuild plan <tier>` reckons one.');
    return;
  }
  const rows = views.map(({ run, what, state, workedOnBy, progress, next }) => [
    run,
    state,
    what,
    workedOnBy !== null && progress !== null ? progressLine(progress) : (next[0] ?? ''),
  ]);
  for (const line of table([['run', 'state', 'what', 'progress or next'], ...rows])) output.line(line);
}

export function printCertificates(output: Output, { certificates }: RunView): void {
  for (const certificate of Object.values(certificates) as Certificate[]) {
    const { tier, left, right, position, heldMs, holds, gates } = certificate;
    output.line(
      `Certificate of ${tier}: generation ${right.generations.join(', ')} against ${left.generations.join(', ')} ` +
        `at position ${position}, lanes held ${Math.round(heldMs)} ms: ${holds ? 'HOLDS' : 'DOES NOT HOLD'}`,
    );
    for (const { gate, holds: gateHolds, detail } of gates) {
      const outcome = gateHolds === null ? 'not run' : gateHolds ? 'holds' : 'FAILS';
      output.line(`  ${outcome.padEnd(8)} ${gate}`);
      for (const line of gateHolds === true ? [] : detail) output.line(`           ${line}`);
    }
  }
}

export function progressLine({
  phase,
  done,
  total,
  what,
  perSecond,
  secondsLeft,
  secondsLeftInAll,
  slowed,
}: RunProgress): string {
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  return (
    `${phase} ${percent}% | ${groupedDigits(done)} of ${groupedDigits(total)} ${what} | ${shownRate(perSecond)} events/s | ` +
    timeLeft(secondsLeft, secondsLeftInAll) +
    (slowed === undefined ? '' : ` | slowed ${slowed}`)
  );
}

function detailOf(detail: Readonly<Record<string, unknown>>): string {
  const { refolded: _refolded, ranges: _ranges, ...told } = detail;
  const shown = Object.entries(told).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return shown.length === 0 ? '' : `: ${shown.join(', ')}`;
}
