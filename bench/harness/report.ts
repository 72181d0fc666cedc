import { cpus } from 'node:os';
import { table } from '../../apps/mailfold/output';
import { figure } from './progress';
import type { Row, Target } from './row';
import type { CaseResult, SideResult } from './run-case';
import { median } from './statistics';

export const quickMark = 'quick, not a claim';
/** From here on a reader is told that the machine was not the bench's alone. */
const othersShareMax = 0.1;

/** What a reader needs to place a figure, and to get it again. */
export interface RunFacts {
  readonly quick: boolean;
  readonly seed: number;
  readonly startedAt: Date;
}

export interface Reported {
  readonly row: Row;
  readonly caseName?: string;
  readonly result: CaseResult;
}

/** One case as one JSON object. */
export function caseRecord({ row, caseName, result }: Reported, facts: RunFacts): object {
  const [ours, over] = result.sides;
  return {
    name: row.name,
    ...(caseName === undefined ? {} : { case: caseName }),
    ratio: rounded(result.ratio),
    q1: rounded(result.q1),
    q3: rounded(result.q3),
    target: targetNumber(result.target),
    targetIs: targetWords(result.target).name,
    pass: result.pass,
    sides: { ours: sideRecord(ours, row.unit), over: sideRecord(over, row.unit) },
    samples: result.ratios.length,
    ratios: result.ratios.map(rounded),
    violations: result.violations,
    othersShare: rounded(result.othersShare),
    seed: facts.seed,
    quick: facts.quick,
    ...(facts.quick ? { mark: quickMark } : {}),
    startedAt: facts.startedAt.toISOString(),
    machine: machine(),
  };
}

function sideRecord(side: SideResult, unit: string): object {
  return {
    name: side.name,
    unit,
    median: rounded(median(side.values)),
    values: side.values.map(rounded),
    cpuSecondsPer1000: Object.fromEntries(
      Object.entries(side.cpuSecondsPer1000).map(([process, seconds]) => [process, rounded(seconds)]),
    ),
  };
}

/** The lines for people: a table of ratios, then what each side was, and what broke. */
export function reportLines(reported: readonly Reported[], facts: RunFacts): string[] {
  const heading = ['row', 'ours', 'over', 'unit', 'ratio', 'q1', 'rounds', 'goal', 'result'];
  const lines = table([heading, ...reported.map(tableRow)]);
  return [
    ...lines.slice(0, 1),
    '-'.repeat(Math.max(...lines.map((line) => line.length))),
    ...lines.slice(1),
    '',
    ...explanations(reported),
    ...reported.flatMap(cpuLines),
    ...reported.flatMap(busyLines),
    ...reported.flatMap(({ result }) => result.violations.map((text) => `FAILED: ${text}`)),
    `${machine()}; seed ${facts.seed}; ${facts.startedAt.toISOString().slice(0, 10)}${facts.quick ? `; ${quickMark}` : ''}`,
  ];
}

function tableRow({ row, caseName, result }: Reported): string[] {
  const [ours, over] = result.sides;
  return [
    label(row, caseName),
    figure(median(ours.values)),
    figure(median(over.values)),
    row.unit,
    result.ratio.toFixed(2),
    result.q1.toFixed(2),
    String(result.ratios.length),
    goalOf(result.target),
    result.pass ? 'pass' : 'FAIL',
  ];
}

/** What each row sets over what, once per row. */
function explanations(reported: readonly Reported[]): string[] {
  return [...new Set(reported.map(({ row }) => `${row.name} = ${row.ours} / ${row.over}`))];
}

function cpuLines({ row, caseName, result }: Reported): string[] {
  return result.sides
    .filter((side) => Object.keys(side.cpuSecondsPer1000).length > 0)
    .map((side) => {
      const costs = Object.entries(side.cpuSecondsPer1000).map(
        ([process, seconds]) => `${process} ${seconds.toFixed(3)}`,
      );
      return `${label(row, caseName)}, ${side.name}: CPU-seconds per 1,000 events: ${costs.join(', ')}`;
    });
}

/** A ratio survives a slow machine, not one that others use unevenly: sides with more processes get more of it then. */
function busyLines({ row, caseName, result }: Reported): string[] {
  if (result.othersShare <= othersShareMax) return [];
  const percent = Math.round(100 * result.othersShare);
  return [
    `${label(row, caseName)}: other processes took ${percent} % of the processors meanwhile: run it again on a quiet machine`,
  ];
}

function label(row: Row, caseName: string | undefined): string {
  return caseName === undefined ? row.name : `${row.name}: ${caseName}`;
}

/** As the table and `--list` show it. */
export function goalOf(target: Target): string {
  return `${targetWords(target).sign} ${targetNumber(target)}`;
}

function targetNumber(target: Target): number {
  if ('atLeast' in target) return target.atLeast;
  return 'atMost' in target ? target.atMost : target.within;
}

function targetWords(target: Target): { readonly name: string; readonly sign: string } {
  if ('atLeast' in target) return { name: 'at least', sign: '≥' };
  return 'atMost' in target ? { name: 'at most', sign: '≤' } : { name: 'within', sign: '1 ±' };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function machine(): string {
  const processors = cpus();
  return `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, Node ${process.version}`;
}
