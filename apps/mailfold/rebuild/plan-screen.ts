import type { Estimate } from '../../shared/rebuilding/estimate/estimate';
import type { Figure } from '../../shared/rebuilding/estimate/figure';
import { megabytes } from '../log/bytes';
import { duration, groupedDigits, plural, table, type Output } from '../output';
import type { RunView } from './operations/run-view';
import type { RunPlan, RunProgress } from './runs';

/** Durations below this are told in tenths. */
const tenthsBelowSeconds = 10;

/** The screen of `plan`: what would be made, and what that takes. */
export function printPlan(output: Output, view: RunView): void {
  output.line(`Plan ${view.run}: ${view.what} (code ${view.codeVersion})`);
  for (const { tier, targets, moving } of view.plan.tiers) {
    output.line(`  ${tier}`);
    for (const { databaseRef, coverage } of targets)
      output.line(
        `    to make   ${databaseRef}, slots ${coverage.slots.from}-${coverage.slots.to}` +
          (coverage.tenantId === null ? '' : `, tenant ${coverage.tenantId}`) +
          (coverage.except === undefined ? '' : `, without the pinned ${coverage.except.join(', ')}`),
      );
    for (const { slots, from, to } of view.kind === 'repartition' ? moving : [])
      output.line(
        `    moves     slots ${slots.from}-${slots.to} from ${from.databaseRef} ${from.schema} to ${to}`,
      );
  }
  if (view.ranges !== undefined)
    output.line(`  ranges      ${view.ranges.length}, one after the other; figures are of the first alone`);
  if (view.plan.estimate !== null) printEstimate(output, view.plan.estimate);
  else output.line(`  estimate    none: ${whyNoEstimate(view)}`);
  output.line(`  next        ${view.next.join(' | ')}`);
}

function whyNoEstimate({ plan: { source, tiers } }: RunView): string {
  if (tiers.every(({ targets, moving }) => targets.length === 0 && moving.length === 0))
    return 'rows are folded again in place';
  return source === 'copy' ? 'rows are copied' : 'the log is empty';
}

function printEstimate(output: Output, estimate: Estimate): void {
  const { sample, events, logBytes, unknown, poison } = estimate;
  output.line(
    `  log         ${plural(events, 'event')}, ${megabytes(logBytes)}; figures from ` +
      (sample.isWhole
        ? 'all of it'
        : `${groupedDigits(sample.events)} of its events in ${sample.stretches} stretches`),
  );
  for (const { name, events: count, reason } of unknown)
    output.line(`  UNKNOWN     ${name}, ${plural(count, 'event')}: ${reason}`);
  for (const { tier, eventType, eventId, streamName, reason } of poison.found)
    output.line(`  POISON      ${tier}: ${eventType} ${eventId} of ${streamName}: ${reason}`);
  if (unknown.length === 0)
    output.line('  unknown     none: this build reads every type and version in the log');
  output.line(`  poison      ${poisonLine(poison, sample.isWhole)}`);
  output.line();
  for (const line of tableLines(estimate)) output.line(`  ${line}`);
  output.line();
  printRoom(output, estimate);
  for (const [tier, { tenants, slots }] of Object.entries(estimate.skew)) {
    const [tenant, slot] = [tenants[0], slots[0]];
    if (tenant === undefined || slot === undefined) continue;
    output.line(
      `  skew        ${tier}: tenant ${tenant.tenantId} has ${percent(tenant.share)} of the rows, slot ${slot.slot} ${percent(slot.share)}`,
    );
  }
  const phases = estimate.phases.map(({ phase, seconds }) => `${phase} ${bounded(seconds)}`);
  output.line(`  time        ${phases.join(', ')}`);
  output.line(`              ${bounded(estimate.seconds)} in all, then the tail`);
}

function poisonLine({ found, sequences }: Estimate['poison'], isWhole: boolean): string {
  if (sequences === 0) return isWhole ? 'none' : 'none in the sample';
  const told = `${plural(sequences, 'sequence')} would stop${isWhole ? '' : ', as far as the sample tells'}`;
  return found.length < sequences ? `${told}; ${found.length} of them are named above` : told;
}

function tableLines({ tables }: Estimate): string[] {
  const sums = {
    rows: tables.reduce((all, { rows }) => all + rows.value, 0),
    bytes: tables.reduce((all, { bytes }) => all + bytes.value, 0),
  };
  return table([
    ['table', 'rows', '±', 'with indexes', '±'],
    ...tables.map(({ tier, table: name, rows, bytes }) => [
      `${tier}.${name}`,
      rows.value,
      margin(rows),
      megabytes(bytes.value),
      margin(bytes),
    ]),
    ['all', sums.rows, '', megabytes(sums.bytes), ''],
  ]);
}

function printRoom(output: Output, { spool, servers }: Estimate): void {
  const verdict = (isEnough: boolean): string => (isEnough ? '' : ' NOT ENOUGH');
  output.line(
    `  spool       ${megabytes(spool.bytes)}, sealed; ${megabytes(spool.diskFreeBytes)} are free${verdict(spool.isEnough)}`,
  );
  for (const { tiers, bytesNeeded, diskFreeBytes, connectionsNeeded, connectionsFree } of servers) {
    const free =
      diskFreeBytes === null ? 'what is free there is unknown' : `${megabytes(diskFreeBytes)} are free`;
    output.line(
      `  disk        ${megabytes(bytesNeeded)} at most for ${tiers.join(', ')}, with the WAL; ${free}` +
        verdict(diskFreeBytes === null || bytesNeeded <= diskFreeBytes),
    );
    output.line(
      `  connections ${connectionsNeeded} for ${tiers.join(', ')}; ${connectionsFree} are free` +
        verdict(connectionsNeeded <= connectionsFree),
    );
  }
}

/** What each phase has taken, beside what was planned for it. */
export function tookLine({ estimate }: RunPlan, { took }: RunProgress): string {
  const planned = new Map<string, Figure>(estimate?.phases.map((each) => [each.phase, each.seconds]));
  const phases = took.map(({ phase, seconds: taken }) => {
    const plan = planned.get(phase);
    return `${phase} ${shortTime(taken)}${plan === undefined ? '' : ` (planned ${shortTime(plan.value)})`}`;
  });
  if (estimate === null) return phases.join(', ');
  const all = took.reduce((sum, { phase, seconds }) => sum + (planned.has(phase) ? seconds : 0), 0);
  return `${phases.join(', ')}; ${shortTime(all)} without the tail (planned ${bounded(estimate.seconds)})`;
}

/** `12 s (11 to 13 s)`. */
function bounded({ value, low, high }: Figure): string {
  const [from, to] = [shortTime(low), shortTime(high)];
  return from === to ? shortTime(value) : `${shortTime(value)} (${from} to ${to})`;
}

function shortTime(seconds: number): string {
  return seconds < tenthsBelowSeconds ? `${seconds.toFixed(1)} s` : duration(seconds);
}

function margin({ value, high }: Figure): string {
  return value === 0 ? '' : percent((high - value) / value);
}

function percent(share: number): string {
  return `${(100 * share).toLocaleString('en-US', { maximumSignificantDigits: 2 })} %`;
}
